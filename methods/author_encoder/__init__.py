"""An LLM encoder of authors: pairs, prompts, training, daily inference, chains."""
