"""Commands of the author encoder."""
