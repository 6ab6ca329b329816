"""Hours and impressions a second: the world alone, and through the environment with the random policy.

`python benchmarks/environment.py [--world small] [--json]`; medians over episodes of the same world, one process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import gymnasium
import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[1])  # else benchmarks/simulator.py would be what `simulator` names

from simulator.gym_env import PLATFORM
from simulator.gym_env.environment import Platform
from simulator.gym_env.policies import RandomPolicy


@dataclass(frozen=True)
class Row:
    """What one contender does in a second; rates are by CPU time."""

    cpu_seconds: float
    wall_seconds: float
    steps_per_second: float
    impressions_per_second: float


def alone(env: Platform, seed: int) -> tuple[int, int]:
    """Live an episode by the platform's own policy; return hours and impressions."""
    env.reset(seed=seed)
    world, steps, impressions = env.world, 24 * (env.settings.days or 0), 0
    for _ in range(steps):
        world.step()
        impressions += len(world.drain()["user"])
    return steps, impressions


def through(env: Platform, seed: int) -> tuple[int, int]:
    """Live an episode with the random policy; return hours and impressions, those of the platform's own pages too."""
    policy = RandomPolicy(rng=np.random.default_rng(seed))
    seen, _ = env.reset(seed=seed)
    steps, impressions, truncated = 0, 0.0, False
    while not truncated:
        seen, _, _, truncated, info = env.step(policy.recommend(seen))
        steps, impressions = steps + 1, impressions + info["consumer/impressions"]
    return steps, int(impressions)


def reset(env: Platform, seed: int) -> tuple[int, int]:
    """Only begin an episode."""
    env.reset(seed=seed)
    return 1, 0


def measure(call: Callable[[Platform, int], tuple[int, int]], env: Platform, repeats: int) -> Row:
    """Return the medians over episodes; the first one warms up and is not counted."""
    rows = []
    for seed in range(repeats + 1):
        start_cpu, start = time.process_time(), time.perf_counter()
        steps, impressions = call(env, seed)
        cpu, wall = time.process_time() - start_cpu, time.perf_counter() - start
        rows.append((cpu, wall, steps / cpu, impressions / cpu))
    return Row(*(statistics.median(column) for column in zip(*rows[1:], strict=True)))


def main() -> None:
    """Print the table, and with --json one object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--world", default="small")
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--warmup-days", type=int, default=2)
    parser.add_argument("--slate", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    chosen = parser.parse_args()
    sizes = {"days": chosen.days, "warmup_days": chosen.warmup_days, "slate": chosen.slate}
    rows: dict[str, Row] = {}
    for batch in (64, 512):
        env = gymnasium.make(PLATFORM, world=chosen.world, batch=batch, **sizes).unwrapped
        assert isinstance(env, Platform)
        if not rows:
            rows["reset alone"] = measure(reset, env, chosen.repeats)
            rows["world alone, own pages"] = measure(alone, env, chosen.repeats)
        rows[f"random policy, batch {batch}"] = measure(through, env, chosen.repeats)
    print(f"world {chosen.world}, {chosen.days} days after {chosen.warmup_days}, slates of {chosen.slate}")
    print(f"{'':26}{'CPU s':>9}{'wall s':>9}{'steps/s':>10}{'impr./s':>12}")
    for name, row in rows.items():
        rates = f"{row.steps_per_second:10,.0f}{row.impressions_per_second:12,.0f}"
        print(f"{name:26}{row.cpu_seconds:9.4f}{row.wall_seconds:9.4f}{rates}")
    if chosen.json:
        shown = {name: asdict(row) for name, row in rows.items()}
        print(json.dumps({"world": chosen.world, **sizes, "rows": shown}))


if __name__ == "__main__":
    main()
