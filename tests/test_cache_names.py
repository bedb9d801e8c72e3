"""Compiled functions of one name, made by the same lines in two processes: a third process tells them apart.

Each is at the same place in the order of its process, so that Numba's own names for them are equal.
"""

import os

import pytest
from places import Place


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


# One of two kernels that a factory makes, compiled as the first function of its process; prints the cache's misses.
ONE_KERNEL = """
import numpy as np
import fastnn_kernels as fk
from fastnn_kernels._cache import STATISTICS
fk.{name}(np.zeros((1, 2)))
print(STATISTICS["misses"])
"""

# Both of them, and then both in one function of the user; prints the cache's hits.
BOTH_KERNELS = """
import numba
import numpy as np
import fastnn_kernels as fk
from fastnn_kernels._cache import STATISTICS
@numba.njit
def both(x):
    return fk.softmax(x), fk.log_softmax(x)
x = np.zeros((1, 2))
for p, log_p in ((fk.softmax(x), fk.log_softmax(x)), both(x)):
    assert np.allclose(p, 0.5), p
    assert np.allclose(log_p, np.log(0.5)), log_p
print(STATISTICS["hits"])
"""


def test_two_kernels_of_one_factory_that_two_processes_cached(place):
    # Both are loaded before the user's function links one after the other: a name they shared would then be that of
    # the newer one.
    running = [place.start(ONE_KERNEL.format(name=name)) for name in ("softmax", "log_softmax")]
    assert [place.printed(process) for process in running] == ["1", "1"]
    assert place.printed(place.start(BOTH_KERNELS)) == "2"


# Two functions of the user with kernels made by the same lines, cached in the user's own files.
OWN_FUNCTIONS = """
import numba
import numpy as np
import fastnn_kernels as fk
X = np.full((1, 2), 2.0)
@numba.njit(cache=True)
def first(x):
    return fk.relu(x), fk.softmax(x)
@numba.njit(cache=True)
def second(x):
    return fk.step(x), fk.log_softmax(x)
"""

USE_OWN_FUNCTIONS = """
from user_functions import *
for function, right in ((first, (2.0, 0.5)), (second, (1.0, np.log(0.5)))):
    for y, number in zip(function(X), right):
        assert np.allclose(y, number), (function, y)
print(sum(len(function.stats.cache_hits) for function in (first, second)))
"""


def test_two_functions_of_the_user_that_two_processes_cached(place):
    (place.root / "user_functions.py").write_text(OWN_FUNCTIONS, encoding="utf-8")
    place.environment["PYTHONPATH"] += os.pathsep + str(place.root)
    running = [place.start(f"from user_functions import *\nprint(len({name}(X)))")
               for name in ("first", "second")]  # fmt: skip
    assert [place.printed(process) for process in running] == ["2", "2"]
    assert place.printed(place.start(USE_OWN_FUNCTIONS)) == "2"
