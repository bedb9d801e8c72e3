"""The team of threads: a loop is done whole and once, whoever runs it, and whatever the threads do."""

import threading
import time

import numpy as np
import pytest

from fastnn_kernels import _team, _threads
from fastnn_kernels._jit import entry, kernel
from fastnn_kernels.team import LINE, share_out, threads_of


@kernel
def _note(index, found, factor):
    found[index] += factor * index


def _note_entry(team, found, n, factor):
    share_out(team, n, _note, (found, factor))
    return threads_of(team)


@kernel
def _refuse(index, found, at):
    if index == at:
        raise ValueError("no")
    found[index] += 1


def _refuse_entry(team, found, at):
    share_out(team, found.size, _refuse, (found, at))


@kernel
def _meet(index, here, most):
    """Wait for the other one, for some time."""
    here[index] = 1
    for _ in range(most):
        if here[0] + here[1] == 2:
            here[2 + index] = 1
            return


def _meet_entry(team, here, most):
    share_out(team, 2, _meet, (here, most))


NOTE, REFUSE, MEET = entry(_note_entry), entry(_refuse_entry), entry(_meet_entry)


@pytest.fixture
def new_team(monkeypatch):
    """Give a team of which no thread was started."""
    team = _team.Team()
    monkeypatch.setattr(_team, "_team", team)
    return team


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 100])
def test_each_index_is_called_once(count, n, monkeypatch):
    monkeypatch.setattr(_team, "THREAD_LIMIT", 8)
    monkeypatch.setattr(_team, "_team", _team.Team())
    found = np.zeros(n + 1, np.int64)
    assert _threads.launch(NOTE, count, found, n, 3) == count
    expected = np.append(3 * np.arange(n), 0)
    np.testing.assert_array_equal(found, expected)
    for _ in range(200):
        _threads.launch(NOTE, count, found, n, 3)
    np.testing.assert_array_equal(found, 201 * expected)


def together():
    """Whether two threads were in a loop at the same time."""
    here = np.zeros(4, np.int64)
    _threads.launch(MEET, 2, here, 50_000_000)
    return here[2:].any()


def test_two_threads_run_a_loop_at_the_same_time(new_team):
    assert together()


def test_a_thread_that_sleeps_is_woken(new_team):
    assert together()
    time.sleep(20 * _team._PATIENCE)
    used = time.process_time()
    time.sleep(0.05)
    assert time.process_time() - used < 0.02  # it does not look for work all the time
    assert together()


@pytest.mark.parametrize("at", [0, 999])
@pytest.mark.parametrize("count", [1, 2])
def test_what_a_body_raises_is_an_error_of_the_call(at, count):
    with pytest.raises(MemoryError, match="out of memory in a parallel loop"):
        _threads.launch(REFUSE, count, np.zeros(1000, np.int64), at)
    found = np.zeros(1000, np.int64)
    _threads.launch(REFUSE, count, found, -1)
    assert (found == 1).all()


def test_a_loop_is_done_where_no_thread_can_be_started(new_team, monkeypatch):
    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    found = np.zeros(100, np.int64)
    assert _threads.launch(NOTE, 2, found, 100, 1) == 1
    np.testing.assert_array_equal(found, np.arange(100))


def test_a_loop_is_done_where_the_thread_never_comes(new_team, monkeypatch):
    monkeypatch.setattr(threading.Thread, "start", lambda thread: None)
    found = np.zeros(100, np.int64)
    assert _threads.launch(NOTE, 2, found, 100, 1) == 2
    np.testing.assert_array_equal(found, np.arange(100))
    assert not new_team._words[LINE]


def test_a_call_while_another_has_the_team_is_done_alone():
    found = np.zeros(100, np.int64)
    with _team.current().lock:
        assert _threads.launch(NOTE, 2, found, 100, 1) == 1
    np.testing.assert_array_equal(found, np.arange(100))
    assert _threads.launch(NOTE, 2, found, 100, 1) == 2
