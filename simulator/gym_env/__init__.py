"""The platform as a gymnasium environment: a step is an hour, an action the slates of the users who come.

Importing this package registers it: `gymnasium.make("simulator.gym_env:coldrecall/Platform-v0", world="tiny")` does
both. docs/environment.md says what is observed, what is rewarded and what is counted.
"""

import gymnasium

PLATFORM = "coldrecall/Platform-v0"

gymnasium.register(
    id=PLATFORM,
    entry_point="simulator.gym_env.environment:Platform",
    vector_entry_point="simulator.gym_env.vector:platforms",
)
