"""An LLM encoder of authors, trained on pairs of authors who share readers: pairs, text, training, daily vectors."""
