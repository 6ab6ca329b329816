"""What the author encoder is fed and what comes of it, held against the truth of the simulator."""
