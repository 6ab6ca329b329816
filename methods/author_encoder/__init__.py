"""An LLM encoder of authors, trained by InfoNCE on pairs of authors who share readers."""
