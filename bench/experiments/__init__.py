"""Experiments that only a world of known truth can run: named, with seeds, intervals and a table each."""

from bench.experiments.guarantee import GuaranteeTable, guarantee
from bench.experiments.terminal import render

__all__ = ["GuaranteeTable", "guarantee", "render"]
