"""Scratch that is kept between calls: of one's own, aligned, large enough, and not kept where it is too large."""

from unittest.mock import patch

import numpy as np
import pytest

from fastnn_kernels import idle_memory
from fastnn_kernels.idle_memory import borrow, give_back


@pytest.fixture(autouse=True)
def nothing_idle():
    with patch.object(idle_memory, "_idle", []) as idle:
        yield idle


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0, 1, 1000, 100_001])
def test_memory_is_large_enough_and_starts_with_a_cache_line(size, dtype):
    memory = borrow(size, dtype)
    assert memory.size >= size
    assert memory.dtype == dtype
    assert memory.nbytes < 1 << 14 or memory.ctypes.data % 64 == 0


def test_what_was_given_back_is_borrowed_again_and_grows_where_it_is_too_small():
    first = borrow(1 << 15, np.float32)
    give_back(first)
    again = borrow(1 << 14, np.float64)
    assert np.shares_memory(first, again)
    assert again.size == 1 << 14
    give_back(again)
    larger = borrow(1 << 16, np.float32)
    assert larger.size >= 1 << 16
    assert not np.shares_memory(first, larger)


def test_two_who_borrow_have_memory_of_their_own():
    first, second = borrow(5000, np.float32), borrow(5000, np.float32)
    assert not np.shares_memory(first, second)


def test_what_is_too_large_is_not_kept(nothing_idle):
    with patch.object(idle_memory, "_LARGE", 1000):
        give_back(np.empty(1001, np.uint8))
        assert nothing_idle == []
        give_back(np.empty(1000, np.uint8))
        assert len(nothing_idle) == 1
