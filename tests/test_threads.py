"""Threads and processes: the same bits from two Python threads, from children, on every threading layer."""

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
LAYERS = ("tbb", "omp", "workqueue")
WAYS = ("by-turns-1", "by-turns-2", "by-turns-3", "at-once-1", "at-once-2", "at-once-3", "spawn", "after-fork")


@cache
def told_by(layer, *arguments):
    """What training_process.py prints on this threading layer: way -> words; None where it is not installed."""
    environment = {**os.environ, "NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": "3"}
    command = [sys.executable, TESTS / "training_process.py", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
    if "No threading layer could be loaded" in done.stderr:
        return None
    lines = [line.split() for line in done.stdout.splitlines()]
    return {"exit": done.returncode, "stderr": done.stderr} | {line[0]: line[1:] for line in lines}


@cache
def expected():
    with threads(1):
        return by_turns().split()


def require(layer, *arguments):
    told = told_by(layer, *arguments)
    if told is None:
        pytest.skip(f"the threading layer {layer} is not installed")
    assert told["exit"] == 0, told["stderr"]
    assert told["layer"] == [layer]
    return told


@pytest.mark.slow
@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("way", WAYS)
def test_training_gives_the_same_bits_on_every_layer(layer, way):
    if way == "after-fork" and not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    told = require(layer)
    assert told.get(way) == expected(), told["stderr"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("layer", LAYERS)
def test_a_child_forked_after_threads_ran_trains_with_one(layer):
    told = require(layer)
    assert told.get("fork") == expected(), told["stderr"]
    assert told["fork-workers"] == ["1"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_forked_after_foreign_threads_ran_trains():
    # OpenMP ends a forked child that enters a parallel loop, whoever started the threads of its parent.
    told = require("omp", "foreign")
    assert told.get("fork") == expected(), told["stderr"]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_spawned_child_has_its_threads(layer):
    assert require(layer)["spawn-workers"] == ["2"]


def test_a_layer_is_here():
    assert any(told_by(layer) is not None for layer in LAYERS)


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
        assert _threads.workers() == THREAD_LIMIT
        _threads.set_num_threads(1)
        assert _threads.get_num_threads() == _threads.workers() == 1


@pytest.mark.parametrize(("content", "expected_quota"), [
    ("max 100000\n", None), ("200000 100000\n", 2), ("150000 100000\n", 2), ("50000 100000\n", 1), ("", None),
])  # fmt: skip
def test_the_control_group_limits_the_default(content, expected_quota, monkeypatch):
    monkeypatch.setattr(_threads.Path, "read_text", lambda path: content)
    assert _threads._quota() == expected_quota
    available = _threads.numba.config.NUMBA_NUM_THREADS
    assert _threads._default() == min(available, expected_quota or available)


def test_two_python_threads_on_one_model_give_the_same_as_one():
    tape = tape_nets.same_padded()
    executor = tapes.make(Executor, tape, np.float32)
    x, _ = tapes.data(tape, 40, np.float32)
    expected = executor.forward(x, 40)
    with ThreadPoolExecutor(2) as pool:
        # Batches of two sizes: the arena of one call must not be taken by the other.
        results = list(pool.map(lambda k: executor.forward(x, (40, 7)[k % 2]), range(60)))
    assert all(np.array_equal(result, expected) for result in results)


MASK = """
import sys
import numba
import numpy as np
import fastnn_kernels as fk
module = sys.modules["fastnn_kernels.dense"]
serial, parallel = module._matmul
def noting(*args):
    print(numba.get_num_threads())
    return parallel(*args)
module._matmul = serial, noting
fk.set_num_threads(2)
fk.dense(np.ones((512, 64)), np.ones((64, 64)))
print(numba.get_num_threads())
"""


def test_a_kernel_uses_no_more_threads_than_set():
    environment = {**os.environ, "NUMBA_NUM_THREADS": "3"}
    told = subprocess.run(
        [sys.executable, "-c", MASK], env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    assert told.stdout.split() == ["2", "3"]
