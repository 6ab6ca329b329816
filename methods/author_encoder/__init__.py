"""The LLM encoder of authors: prompts and backbones, pairs and loss, training, and the daily run."""
