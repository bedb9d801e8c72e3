"""What several test files need: calling a case, comparing, proving that nothing was changed."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import Case
from hypothesis import settings

Array = np.ndarray
# Drawn cases of one property: 50, or as many as the environment says.
examples = settings(max_examples=int(os.environ.get("FASTNN_EXAMPLES", "50")), deadline=None, derandomize=True)


def run(kernels: Any, case: Case, args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Array]:
    """Call a case's kernel; return its outputs, or the arrays it writes behind what it told; no other may change."""
    before = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    returned = getattr(kernels, case.kernel)(*args, **kwargs)
    for k, (old, new) in enumerate(zip(before, args, strict=True)):
        if isinstance(new, np.ndarray) and k not in case.in_place:
            np.testing.assert_array_equal(new, old, err_msg=f"{case.name} changed argument {k}")
    if case.in_place:
        told = [] if returned is None else [np.asarray(returned)]
        return [*told, *(args[k] for k in case.in_place)]
    return list(returned) if isinstance(returned, tuple) else [returned]


def cast(args: tuple[Any, ...], like: tuple[Any, ...], dtype: Any) -> tuple[Any, ...]:
    """Cast the arguments that are floats in `like` to `dtype`; labels, indices and options stay."""
    return tuple(
        a.astype(dtype) if isinstance(ref, np.ndarray) and ref.dtype.kind == "f" else a
        for a, ref in zip(args, like, strict=True)
    )


def assert_close(actual: list[Array], expected: list[Array], dtype: Any, terms: int) -> None:
    """Compare within the rounding of sums of `terms` values; dtype and shape must be the same."""
    rtol, atol = (1.3e-6, 1e-5) if dtype == np.float32 else (1e-12, 1e-12)
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        assert (a.dtype, a.shape) == (e.dtype, e.shape)
        np.testing.assert_allclose(a, e, rtol=rtol * np.sqrt(terms), atol=atol)


def assert_refused(error: type[Exception], message: str, call: Callable[[], Any], *arrays: Array) -> None:
    """Check that `call` raises, says `message` (a regular expression), and leaves `arrays` as they were."""
    before = [a.copy() for a in arrays]
    with pytest.raises(error, match=message):
        call()
    for old, new in zip(before, arrays, strict=True):
        np.testing.assert_array_equal(new, old)
