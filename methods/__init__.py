"""Candidate-retrieval methods: they see a world only through `simulator.schema`."""
