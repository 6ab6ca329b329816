"""Boards over result records: the right end of the import chain."""
