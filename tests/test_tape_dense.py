"""Dense layers on the tape: exact on small integers, for terms in one part and in several, by block and by group."""

import numpy as np
import pytest
from exact_layers import assert_exact_layer

SIZES = {
    "less than a tile": (3, 2),
    "a rest of terms and outputs": (37, 13),
    "parts of the terms": (1030, 11),
    "parts on the way back": (11, 1030),
    "by group, in parts both ways": (531, 197),
}


@pytest.mark.parametrize(("n_in", "n_out"), SIZES.values(), ids=SIZES)
@pytest.mark.parametrize(("dtype", "n"), [(np.float32, 19), (np.float32, 90), (np.float64, 45), (np.float64, 2)])
@pytest.mark.parametrize("bias", [True, False])
def test_dense_is_exact(n_in, n_out, dtype, n, bias):
    assert_exact_layer((n_in,), lambda net: net.dense(n_out, bias=bias), dtype, n)
