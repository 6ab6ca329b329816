"""The same chunks as tasks on a Ray cluster. Ray is the extra `ray`; folders must be seen from every node.

Tasks ask for half a CPU: tasks that hold every CPU of a small cluster starve whatever else must run there and all
wait for ever without a message.
"""

from __future__ import annotations

import logging
from typing import Any

from methods.author_encoder.daily.chunks import Chunk, missing
from methods.author_encoder.daily.work import Job, Tell, Worker

CPUS_PER_TASK = 0.5


def run_on_ray(job: Job, address: str, *, tell: Tell) -> None:
    """Do all missing chunks on the cluster at `address` ("local" starts one here); lost tasks are sent again by Ray."""
    import ray

    todo = missing(job.chunks, job.parts)
    if not todo:
        return
    ray.init(
        address=address,
        ignore_reinit_error=True,
        log_to_driver=False,
        include_dashboard=False,
        logging_level=logging.ERROR,
    )
    try:
        task: Any = ray.remote(num_cpus=CPUS_PER_TASK, max_retries=3)(_do)
        held = ray.put(job)
        left = [task.remote(held, chunk) for chunk in todo]
        while left:
            tell("chunks", len(todo) - len(left), len(todo))
            done, left = ray.wait(left, timeout=1.0)
            ray.get(done)
        tell("chunks", len(todo), len(todo))
    finally:
        ray.shutdown()


_WORKERS: dict[str, Worker] = {}  # of this Ray process: the encoder outlives a task


def _do(job: Job, chunk: Chunk) -> None:
    key = str(job.parts)
    if key not in _WORKERS:
        _WORKERS.clear()
        _WORKERS[key] = Worker(job, job.encoder.load())
    _WORKERS[key].do(chunk)
