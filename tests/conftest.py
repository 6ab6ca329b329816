"""What all tests share: one thread each, replayable hypothesis examples, and the recorded data if it is there."""

import os
import shutil
from collections.abc import Generator
from pathlib import Path

# Before anything imports numpy: tests run in parallel processes, and sums must not depend on the machine.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")

import pytest
from hypothesis import settings

DATA_VARIABLE = "COLDRECALL_DATA"
BROWSER = "chromium"
REDIS = "redis-server"
NEEDS = (DATA_VARIABLE, BROWSER, REDIS)  # a skip for want of one names it in its reason
BESIDE_THE_REPOSITORY = Path(__file__).parents[2] / "shared" / "data"

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("nightly", derandomize=False, deadline=None, print_blob=True, max_examples=1_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-data", action="store_true", help=f"fail where a test skips for want of {' or '.join(NEEDS)}"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip whose reason names what is needed into a failure, where that is said to be there."""
    report = yield
    if report.skipped and item.config.getoption("--require-data") and any(n in _reason(report) for n in NEEDS):
        report.outcome = "failed"
        report.longrepr = f"--require-data: expected no skip, got {report.longrepr}"
    return report


def _reason(report: pytest.TestReport) -> str:
    """Return why a test skipped, without the file that it lies in."""
    return str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)


@pytest.fixture(scope="session")
def browser_path() -> str:
    """The browser that pages are looked at in, else a skip."""
    path = shutil.which(BROWSER)
    if path is None:
        pytest.skip(f"no {BROWSER} is installed")
    return path


@pytest.fixture(scope="session")
def redis_path() -> str:
    """The server that vectors are published to, else a skip."""
    path = shutil.which(REDIS)
    if path is None:
        pytest.skip(f"no {REDIS} is installed")
    return path


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of recorded datasets: the variable's, else the one beside the repository, else a skip."""
    named = os.environ.get(DATA_VARIABLE)
    folder = Path(named) if named else BESIDE_THE_REPOSITORY
    if folder.is_dir():
        return folder
    if named:
        pytest.fail(f"{DATA_VARIABLE}: expected a folder, got {named}")
    pytest.skip(f"no recorded data: set {DATA_VARIABLE} to its folder")
