"""The realism card: what a log has of the statistics that real platforms publish, and whether it is in their bands."""

from __future__ import annotations

from bench.realism.card import Card, Line, realism_card
from bench.realism.finding import Measured
from bench.realism.making import card_of_dataset, card_of_world
from bench.realism.page import write_card, write_json
from bench.realism.target import PRESETS, Target
from bench.realism.targets import SOURCES, TARGETS
from bench.realism.terminal import render

__all__ = [
    "PRESETS",
    "SOURCES",
    "TARGETS",
    "Card",
    "Line",
    "Measured",
    "Target",
    "card_of_dataset",
    "card_of_world",
    "realism_card",
    "render",
    "write_card",
    "write_json",
]
