"""The command `coldrecall`: simulate, import, run, and list what there is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from methods.registry import METHODS, create
from rich.console import Console
from rich.table import Table

from bench.importers import IMPORTERS, import_dataset
from bench.plan import TRUTHS, Plan
from bench.showing import bars
from bench.task import WORLD
from bench.tasks import TASKS
from simulator.simulate import simulate as simulate_world
from simulator.spec import WORLDS, find_world

app = typer.Typer(help="A benchmark for cold-start recall on worlds whose truth is known.", no_args_is_help=True)
