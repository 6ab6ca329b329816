"""Impressions per CPU second of whole worlds, beside a bare vectorised kernel timed in the same run.

`python benchmarks/simulator.py [--worlds small,medium] [--json]`. The bare kernel is what any simulator must do at
least: gather 32 + 8 numbers of a user and of ten notes, multiply them, one exponential, draws of a click and five
answers, counts of impressions and clicks; it chooses nothing, remembers nothing and logs nothing. It and a day of the
world take turns, so that a noisy machine slows both. With `--sardine PYTHON` (an interpreter that has `sardine-rl`)
SARDINE's random policy is timed too; it is not on PyPI (github.com/naver/sardine, installed with poetry).
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parents[1])  # else this file would be what `simulator` names
from simulator.spec import WorldSpec, find_world
from simulator.world import World

PAGE, BATCH, N_FACTORS = 10, 8_192, 40
WARM_DAYS, ROUNDS = 15, 7


@dataclass(frozen=True)
class Figures:
    """Medians over rounds of one world; `ratio` is that of each round's two rates."""

    world: str
    impressions: int
    world_per_cpu_second: float
    world_per_second: float
    bare_per_cpu_second: float
    ratio: float
    population_cpu_seconds: float
    peak_bytes: int


class Bare:
    """The bare kernel over as many users and notes as a world has."""

    def __init__(self, n_users: int, n_notes: int) -> None:
        rng = np.random.Generator(np.random.SFC64(1))
        self._rng, self._n_users, self._n_notes = rng, n_users, n_notes
        self._user_UF = rng.normal(size=(n_users, N_FACTORS)).astype(np.float32)
        self._note_NF = (rng.normal(size=(n_notes, N_FACTORS)) / np.sqrt(N_FACTORS)).astype(np.float32)
        self._bias_N = rng.normal(size=n_notes).astype(np.float32)
        self._position_K = (-0.1 * np.arange(PAGE) - 2.0).astype(np.float32)
        self._odds_R = np.array([0.04, 0.03, 0.01, 0.01, 0.01], np.float32)
        self.shown_N = np.zeros(n_notes, np.int64)
        self.clicks_N = np.zeros(n_notes, np.int64)

    def serve(self, n_batches: int) -> int:
        """Answer batches of pages of random notes; return the number of impressions."""
        for _ in range(n_batches):
            user_B = self._rng.integers(0, self._n_users, BATCH)
            note_BK = self._rng.integers(0, self._n_notes, (BATCH, PAGE))
            logit_BK = np.matmul(self._note_NF[note_BK], self._user_UF[user_B][:, :, None])[:, :, 0]
            logit_BK += self._bias_N[note_BK] + self._position_K
            click_BK = self._rng.random(logit_BK.shape, np.float32) < 1.0 / (1.0 + np.exp(-logit_BK))
            for odds in self._odds_R:
                click_BK & (self._rng.random(logit_BK.shape, np.float32) < odds)
            self.shown_N += np.bincount(note_BK.ravel(), minlength=self._n_notes)
            self.clicks_N += np.bincount(note_BK[click_BK], minlength=self._n_notes)
        return n_batches * BATCH * PAGE


def rate(n: int, cpu: float, wall: float) -> tuple[float, float]:
    """Return n per CPU second and per second since the two readings."""
    return n / (time.process_time() - cpu), n / (time.perf_counter() - wall)


def measure(spec: WorldSpec) -> Figures:
    """Time days of a world from the middle of its life, and the bare kernel in between."""
    start = time.process_time()
    world = World(spec, seed=1)
    population_seconds = time.process_time() - start
    for _ in range(24 * WARM_DAYS):
        world.step()
        world.drain()
    bare = Bare(spec.n_users, max(1, int(world.showing().born_time_N.size)))
    bare.serve(2)
    ours, ours_wall, theirs, n_all = [], [], [], 0
    for _ in range(ROUNDS):
        cpu, wall, n = time.process_time(), time.perf_counter(), 0
        for _ in range(24):
            world.step()
            n += len(world.drain()["user"])
        per_cpu, per_wall = rate(n, cpu, wall)
        ours.append(per_cpu)
        ours_wall.append(per_wall)
        cpu, wall = time.process_time(), time.perf_counter()
        theirs.append(rate(bare.serve(max(1, round(n / (BATCH * PAGE)))), cpu, wall)[0])
        n_all += n
    return Figures(
        world=spec.name,
        impressions=n_all,
        world_per_cpu_second=statistics.median(ours),
        world_per_second=statistics.median(ours_wall),
        bare_per_cpu_second=statistics.median(theirs),
        ratio=statistics.median(a / b for a, b in zip(ours, theirs, strict=True)),
        population_cpu_seconds=population_seconds,
        peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


SARDINE = """
import json, time, warnings
warnings.filterwarnings("ignore")
import gymnasium as gym, sardine
env = gym.make("sardine/SlateTopK-Bored-v0")
env.reset(seed=1)
rates = []
for _ in range(5):
    start, n = time.process_time(), 0
    while n < 30_000:
        obs, reward, terminated, truncated, info = env.step(env.action_space.sample())
        n += 10
        if terminated or truncated:
            env.reset()
    rates.append(n / (time.process_time() - start))
print(json.dumps(sorted(rates)[2]))
"""


def sardine(python: str) -> float:
    """Return SARDINE's impressions per CPU second under its random policy, median of five."""
    done = subprocess.run([python, "-c", SARDINE], capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def apart(world: str) -> Figures:
    """Measure a world in a process of its own, so that its peak of memory is its own."""
    command = [sys.executable, __file__, "--only", world]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Figures(**json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Print the table, and with --json one object on the last line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--worlds", default="small", help="comma-separated; medium takes a few minutes")
    parser.add_argument("--sardine", help="a Python interpreter that has sardine-rl")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    measure(find_world("tiny"))  # compile
    if chosen.only:
        print(json.dumps(asdict(measure(find_world(chosen.only)))))
        return
    rows = [apart(world) for world in chosen.worlds.split(",")]
    head = f"{'world':>14}{'impressions':>13}{'M / CPU s':>11}{'M / s':>8}{'bare M / CPU s':>16}{'ratio':>7}"
    print(f"{head}{'peak MB':>9}")
    for row in rows:
        speeds = (row.world_per_cpu_second, row.world_per_second, row.bare_per_cpu_second)
        own, wall, bare = (speed / 1e6 for speed in speeds)
        line = f"{row.world:>14}{row.impressions:13,}{own:11.2f}{wall:8.2f}{bare:16.2f}{row.ratio:7.3f}"
        print(f"{line}{row.peak_bytes / 1e6:9.0f}")
    theirs = None if chosen.sardine is None else sardine(chosen.sardine)
    if theirs is not None:
        print(f"SARDINE SlateTopK-Bored-v0, random policy: {theirs / 1e6:.3f} M impressions / CPU s")
    if chosen.json:
        print(json.dumps({"worlds": [asdict(row) for row in rows], "sardine_per_cpu_second": theirs}))


if __name__ == "__main__":
    main()
