"""The process that is timed: `python -m bench.latency CORE PIPE DESK PARENT` pins itself, then does as it is told."""

import ctypes
import os
import signal
import sys

_PARENT_DEATH_SIGNAL = 1  # prctl(2)


def main() -> None:
    """Pin first: nothing heavy is imported before, and the parent has set the threads of what comes after."""
    core, pipe, desk, parent = map(int, sys.argv[1:])
    ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:  # it had ended before the signal was asked for
        sys.exit(1)
    os.sched_setaffinity(0, {core})
    from bench.latency.child import work

    work(pipe, desk)


main()
