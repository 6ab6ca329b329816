"""Chains of hops over similar authors: user -> authors -> authors -> notes, and note -> authors -> authors -> users."""
