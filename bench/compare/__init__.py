"""Two runs side by side: the paired difference of each method on each task, or why there is none."""
