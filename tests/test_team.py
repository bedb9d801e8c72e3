"""The team of threads: a loop is done whole and once, whoever runs it, and whatever the threads do."""

import threading
import time

import numpy as np
import pytest

from fastnn_kernels import _team, _threads
from fastnn_kernels._jit import entry, kernel
from fastnn_kernels.machine_state import flush_subnormals, restore_mode
from fastnn_kernels.sharing import read, write
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
    write(here, index, 1)
    for _ in range(most):
        if read(here, 1 - index):
            write(here, 2 + index, 1)
            return


def _meet_entry(team, here, most):
    share_out(team, 2, _meet, (here, most))


@kernel
def _halve(index, here, most, numbers):
    _meet(index, here, most)
    numbers[index] *= np.float32(0.5)


def _halve_entry(team, here, most, numbers):
    """Halve numbers where subnormal ones count as zeros."""
    mode = flush_subnormals()
    share_out(team, 2, _halve, (here, most, numbers))
    restore_mode(mode)
    return mode


@kernel
def _meet_and_refuse(index, here, most):
    _meet(index, here, most)
    if index == 1:
        raise ValueError("no")


def _meet_and_refuse_entry(team, here, most):
    share_out(team, 2, _meet_and_refuse, (here, most))


NOTE, REFUSE, MEET = entry(_note_entry), entry(_refuse_entry), entry(_meet_entry)
HALVE, MEET_AND_REFUSE = entry(_halve_entry), entry(_meet_and_refuse_entry)


@pytest.fixture
def new_team(monkeypatch):
    """Give a team of which no thread was started."""
    team = _team.Team()
    monkeypatch.setattr(_team, "_team", team)
    return team


@pytest.fixture(scope="module")
def team_of_8():
    """Make a team for more threads than this machine may have processors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_team, "THREAD_LIMIT", 8)
        return _team.Team()


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 5, 100])
def test_each_index_is_called_once(count, n, team_of_8, monkeypatch):
    monkeypatch.setattr(_team, "_team", team_of_8)
    found = np.zeros(n + 1, np.int64)
    assert _threads.launch(NOTE, count, found, n, 3) == count
    expected = np.append(3 * np.arange(n), 0)
    np.testing.assert_array_equal(found, expected)
    for _ in range(200):
        _threads.launch(NOTE, count, found, n, 3)
    np.testing.assert_array_equal(found, 201 * expected)


def together():
    """Whether two threads were in a loop at the same time."""
    for _ in range(5):  # a thread that falls asleep just now is woken by the next loop
        here = np.zeros(4, np.int64)
        _threads.launch(MEET, 2, here, 50_000_000)
        if here[2:].all():
            return True
    return False


def test_one_thread_does_not_meet_another():
    here = np.zeros(4, np.int64)
    _threads.launch(MEET, 1, here, 1000)
    assert not here[2:].all()


def test_two_threads_run_a_loop_at_the_same_time(new_team):
    assert together()


def test_a_thread_that_sleeps_is_woken(new_team):
    assert together()
    time.sleep(20 * _team._PATIENCE)
    used = time.process_time()
    time.sleep(0.05)
    assert time.process_time() - used < 0.02  # it does not look for work all the time
    assert together()


def test_threads_take_subnormal_numbers_as_the_caller_does(new_team):
    assert together()
    numbers = np.full(2, np.finfo(np.float32).tiny)
    if _threads.launch(HALVE, 2, np.zeros(4, np.int64), 50_000_000, numbers) == 0:
        pytest.skip("no way to flush subnormal numbers is known here")
    np.testing.assert_array_equal(numbers, 0)
    assert np.finfo(np.float32).tiny * np.float32(0.5) > 0


@pytest.mark.parametrize("at", [0, 999])
@pytest.mark.parametrize("count", [1, 2])
def test_what_a_body_raises_is_an_error_of_the_call(at, count):
    with pytest.raises(MemoryError, match="out of memory in a parallel loop"):
        _threads.launch(REFUSE, count, np.zeros(1000, np.int64), at)
    found = np.zeros(1000, np.int64)
    _threads.launch(REFUSE, count, found, -1)
    assert (found == 1).all()


def test_what_a_body_raises_in_another_thread_is_an_error_of_the_call(new_team):
    assert together()
    here = np.zeros(4, np.int64)
    with pytest.raises(MemoryError):
        _threads.launch(MEET_AND_REFUSE, 2, here, 50_000_000)
    assert here[2:].all()


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
