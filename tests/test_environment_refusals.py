"""What cannot be is refused with a message that names field, expected and got."""

from typing import Any

import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from simulator.schema import SchemaError
from tests.environment_examples import nothing, platform


def refused(change: Any, match: str) -> None:
    env = platform()
    env.reset(seed=0)
    action = nothing(env)
    with pytest.raises(SchemaError, match=match):
        env.step(change(action))
    env.step(action)  # a refusal changes nothing


def put(action: Any, at: Any, ids: Any) -> Any:
    action = action.copy()
    action[at] = ids
    return action


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda action: action.tolist(), r"^action: expected int32\(6, 4\) array, got list"),
        (lambda action: action.astype(np.int64), r"^action: expected int32\(6, 4\), got int64\(6, 4\)"),
        (lambda action: action[:, :3], r"^action: expected int32\(6, 4\), got int32\(6, 3\)"),
        (lambda action: put(action, (3, 0), 10_000), r"^action\[3, 0\]: expected ids in \[-1, \d+\), .* got 10000"),
        (lambda action: put(action, (3, 0), -2), r"^action\[3, 0\]: expected ids in \[-1, \d+\), .* got -2"),
        (lambda action: put(action, (2, 1), 3), r"^action\[2, 1\]: expected -1 after a pad, got 3"),
        (
            lambda action: put(action, (5, slice(0, 3)), [4, 1, 4]),
            r"^action\[5\]: expected no note twice .* got note 4",
        ),
    ],
)
def test_an_invalid_action_is_refused_by_name(change: Any, match: str) -> None:
    refused(change, match)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"batch": 0}, r"Settings\.batch: expected an integer in \[1, .* got 0"),
        ({"history": 33}, r"Settings\.history: expected an integer in \[1, 32\], got 33"),
        ({"days": 16}, r"expected warm-up and days within the 16 days of tiny, got warmup_days=1, days=16"),
        ({"days": None, "warmup_days": 16}, r"within the 16 days of tiny"),
        ({"reward": 2}, r"Settings\.reward: expected Reward\(click, .* got 2"),
        ({"world": "tinny"}, r"world: expected one of"),
    ],
)
def test_impossible_settings_are_refused_by_name(settings: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        platform(**settings)


def test_steps_before_a_reset_and_unknown_options_are_refused() -> None:
    env = platform()
    with pytest.raises(ResetNeeded):
        env.step(nothing(env))
    with pytest.raises(SchemaError, match=r"options: expected none, got \['luck'\]"):
        env.reset(options={"luck": 3})
