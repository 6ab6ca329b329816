"""Latency by one closed-loop run a cell, in a pinned process of its own: docs/latency.md."""
