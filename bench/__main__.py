"""`python -m bench` is the command `coldrecall`."""

from bench.cli import main

main()
