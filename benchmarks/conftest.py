"""Benchmarks run in one process, and take their cases from the tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Turn off the processes that the tests share: side by side no time would mean anything."""
    config.option.numprocesses = 0
    config.option.dist = "no"
    config.option.tx = []
