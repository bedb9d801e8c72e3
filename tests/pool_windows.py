"""Images and windows of pools, drawn by hypothesis."""

from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

import fastnn_kernels.reference as ref

planes = st.tuples(st.integers(1, 3), st.integers(1, 3))
# Half of the rows hold several vectors of any machine.
sizes = st.tuples(st.integers(1, 10), st.one_of(st.integers(30, 70), st.integers(1, 12)))


@st.composite
def windows(draw: Any, dilated: bool) -> tuple[tuple[int, ...], tuple[int, int], dict[str, Any]]:
    """Draw images, a kernel and options that fit."""
    pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    dilation = draw(st.one_of(st.just((1, 1)), st.tuples(st.integers(1, 3), st.integers(1, 3)))) if dilated else (1, 1)
    most = [(d * (k - 1) + 1) // 2 for k, d in zip(kernel, dilation, strict=True)]
    high, wide = (st.integers(0, m) for m in most)
    padding = draw(
        st.one_of(
            st.integers(0, min(most)),
            st.tuples(high, wide),
            st.tuples(st.tuples(high, high), st.tuples(wide, wide)),
            st.sampled_from(["valid", "same"]),
        )
    )
    stride = 1 if padding == "same" else draw(st.one_of(st.none(), st.integers(1, 4), pairs))
    options = {"stride": stride, "padding": padding, "ceil_mode": draw(st.booleans())}
    if dilated:
        options["dilation"] = dilation
    shape = (*draw(planes), *draw(sizes))
    try:
        (ref.max_pool2d if dilated else ref.avg_pool2d)(np.zeros(shape), kernel, **options)
    except ValueError:
        assume(False)
    return shape, kernel, options
