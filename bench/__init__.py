"""Tasks, metrics and the run: joins worlds and methods, checks, times and scores."""
