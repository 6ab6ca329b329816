"""What a finished run must show, whatever its methods' merits: `coldrecall claims RUN`."""
