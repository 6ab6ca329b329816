"""The report of a run: a table for the terminal and one self-contained page, both rendered from records."""

from __future__ import annotations

from bench.report.loading import Run, load_run, run_of
from bench.report.page import write_report
from bench.report.summary import TaskTable, summarise
from bench.report.terminal import render

__all__ = ["Run", "TaskTable", "load_run", "render", "run_of", "summarise", "write_report"]
