"""Worlds whose truth is known, and the observations of them."""
