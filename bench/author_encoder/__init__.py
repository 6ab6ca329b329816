"""The commands around the author encoder."""
