"""Commands of the author encoder, and its pairs held against the truth of the simulator."""
