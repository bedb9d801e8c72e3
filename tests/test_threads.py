"""Threads and processes: the same bits from two Python threads and from children."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tape_nets
import tapes
from tapes import threads
from training_process import by_turns

from fastnn_kernels import _threads
from fastnn_kernels._jit import THREAD_LIMIT
from fastnn_kernels.executor import Executor

TESTS = Path(__file__).parent
WAYS = ("by-turns-1", "by-turns-2", "by-turns-3", "at-once-1", "at-once-2", "at-once-3", "spawn")
FORKS = ("fork", "fork-busy", "after-fork")


@cache
def told():
    """What training_process.py prints: way -> words."""
    environment = {**os.environ, "NUMBA_NUM_THREADS": "3"}
    done = subprocess.run(
        [sys.executable, TESTS / "training_process.py"], env=environment, capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {words[0]: words[1:] for words in map(str.split, done.stdout.splitlines())}


@cache
def expected():
    with threads(1):
        return by_turns().split()


@pytest.mark.parametrize("way", WAYS)
def test_training_gives_the_same_bits(way):
    assert told()[way] == expected()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("way", FORKS)
def test_training_gives_the_same_bits_in_a_forked_child_and_behind_it(way):
    assert told()[way] == expected()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("way", FORKS[:2])
def test_a_forked_child_starts_threads_of_its_own(way):
    assert told()[f"{way}-workers"] == ["2"]
    assert told()[f"{way}-threads"] == ["fastnn-1"]


def test_a_spawned_child_has_its_threads():
    assert told()["spawn-workers"] == ["2"]


@pytest.mark.parametrize("n", [0, -1, THREAD_LIMIT + 1, 10**20])
def test_set_num_threads_refuses_numbers_out_of_range(n):
    before = _threads.get_num_threads()
    with pytest.raises(ValueError, match=f"set_num_threads: n is {n}.*from 1 to {THREAD_LIMIT}"):
        _threads.set_num_threads(n)
    assert _threads.get_num_threads() == before


@pytest.mark.parametrize("n", [1.0, "2", None, True, np.array([1])])
def test_set_num_threads_refuses_what_is_no_int(n):
    before = _threads.get_num_threads()
    with pytest.raises(TypeError, match="set_num_threads"):
        _threads.set_num_threads(n)
    assert _threads.get_num_threads() == before


def test_set_num_threads_is_what_get_num_threads_returns():
    with threads(THREAD_LIMIT):
        assert _threads.get_num_threads() == THREAD_LIMIT
        _threads.set_num_threads(1)
        assert _threads.get_num_threads() == 1


@pytest.mark.parametrize(("content", "expected_quota"), [
    ("max 100000\n", None), ("200000 100000\n", 2), ("150000 100000\n", 2), ("50000 100000\n", 1), ("", None),
])  # fmt: skip
def test_the_control_group_limits_the_default(content, expected_quota, monkeypatch):
    monkeypatch.setattr(_threads.Path, "read_text", lambda path: content)
    assert _threads._quota() == expected_quota
    assert _threads._default() == min(THREAD_LIMIT, expected_quota or THREAD_LIMIT)


def test_two_python_threads_on_one_model_give_the_same_as_one():
    tape = tape_nets.same_padded()
    executor = tapes.make(Executor, tape, np.float32)
    x, _ = tapes.data(tape, 40, np.float32)
    # Batches of two sizes: the arena of one call must not be taken by the other.
    expected = [executor.forward(x, batch) for batch in (40, 7)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda k: executor.forward(x, (40, 7)[k % 2]), range(60)))
    assert all(np.array_equal(result, expected[k % 2]) for k, result in enumerate(results))
