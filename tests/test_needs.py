"""A test that skips for want of the browser fails where that is said to be there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("options", "outcome"), [((), "1 skipped"), (("--require-data",), "1 error")])
def test_a_missing_browser_is_a_skip_and_a_failure_on_demand(options: tuple[str, ...], outcome: str) -> None:
    test = "tests/test_report_browser.py::test_the_table_over_all_families_sorts_too"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, test]
    environment = os.environ | {"PATH": "/nowhere", "PYTEST_ADDOPTS": ""}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert outcome in done.stdout
    assert "no chromium is installed" in done.stdout
