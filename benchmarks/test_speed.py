"""Every public kernel and its NumPy twin, one after the other, under pytest-benchmark.

    pytest benchmarks --benchmark-json new.json
    pytest benchmarks -k "conv2d and LeNet"

Kernels run on the shapes of `fastnn/profile/work.py`, those that are not there on a small case of `tests/cases.py`.
Results are compared first. A group is one kernel on one shape, so the table shows both sides below each other;
`compare.py` compares two such files.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest
from case import Case
from cases import CASES, one_per_kernel

import fastnn_kernels as fk
from fastnn.profile.equality import check, results
from fastnn.profile.work import Work, every_work
from fastnn_kernels import reference

ROUNDS = 5
# Seconds of a round, where a call is shorter: far above the clock's resolution and a thread's wake-up.
ROUND = 0.002

WORKS = every_work()
_AT_WORK = {work.kernel for work in WORKS}
ROWS: list[Work | Case] = [*WORKS, *(case for case in one_per_kernel(CASES) if case.kernel not in _AT_WORK)]


def arguments(row: Work | Case) -> Any:
    return row.call() if isinstance(row, Work) else row.call("float32")


def iterations(call: Callable[[], Any], most: int) -> int:
    """How many calls a round has; the first call compiles."""
    call()
    start = time.perf_counter()
    call()
    return max(1, min(most, int(ROUND / (time.perf_counter() - start))))


@pytest.mark.parametrize("side", ["compiled", "numpy"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_speed(benchmark, row, side):
    args, options = arguments(row)
    function = getattr(fk if side == "compiled" else reference, row.kernel)
    if side == "compiled":
        expected = results(row, getattr(reference, row.kernel), (args, options))
        check(row.name, "the compiled kernel", results(row, function, (args, options)), expected)
    benchmark.group = row.name
    benchmark.extra_info |= {"kernel": row.kernel, "side": side, "threads": fk.get_num_threads()}

    def call():
        return function(*args, **options)

    # What is changed in place must not run away.
    most = 10 if row.in_place else 1000
    benchmark.pedantic(call, rounds=ROUNDS, iterations=iterations(call, most))
