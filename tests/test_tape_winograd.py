"""3x3 convolutions by Winograd's algorithm on the tape: as the reference, and chosen only where they can be.

Each case has the number of sums and of weight gradients that are to be done so: the latter where vectors are filled.
"""

import numpy as np
import pytest
from tape_nets import Net
from tapes import assert_equal_gradients, assert_near, both, data

from fastnn_kernels._jit import TILE_LIMIT, lane_count
from fastnn_kernels.program import make_program
from fastnn_kernels.stage import Machine


def net(channels, filters, size, padding, **options):
    """The convolution in question behind another one, so that its input has a gradient."""
    layers = Net(2, *size).conv(channels, (1, 1)).conv(filters, (3, 3), padding=padding, **options)
    return layers.done("sum_squared_error")


SAME = (1, 1, 1, 1)
CASES = {
    "same": (net(32, 32, (8, 8), SAME), 2, 1),
    "more filters, tiles that spans do not divide": (net(33, 37, (14, 14), SAME), 2, 0),
    "fewer filters": (net(49, 34, (6, 10), SAME), 2, 0),
    "valid": (net(32, 32, (8, 10), (0, 0, 0, 0)), 2, 1),
    "filters that register tiles do not divide": (net(32, 35, (6, 6), SAME), 2, 1),
    "channels that register tiles do not divide": (net(80, 33, (4, 6), SAME), 2, 1),
    "a row of tiles in parts": (net(96, 192, (2, 22), SAME), 2, 1),
    "every side padded differently": (net(32, 34, (7, 9), (2, 1, 0, 1)), 1, 1),
    "two tiles": (net(32, 32, (2, 4), SAME), 2, 1),
    "one tile": (net(32, 32, (2, 2), SAME), 2, 1),
    "without bias": (net(32, 32, (4, 4), SAME, bias=False), 2, 1),
    "weights alone": (net(16, 16, (8, 8), SAME), 0, 1),
    "odd height": (net(32, 32, (7, 8), SAME), 0, 0),
    "few channels": (net(15, 32, (8, 8), SAME), 0, 0),
    "stride": (net(32, 32, (9, 9), SAME, stride=(2, 2)), 0, 0),
    "groups": (net(64, 64, (8, 8), SAME, groups=2), 0, 0),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_steps_equal_the_reference(name, dtype):
    tape, sums, weights = CASES[name]
    lanes = lane_count(np.dtype(dtype).itemsize * 8)
    program = make_program(tape, Machine(lanes, TILE_LIMIT, lanes), backward=True, loss=True, update=None)
    used = [call.function.__name__ for call in program.calls]
    assert (used.count("winograd_sums"), used.count("winograd_weight")) == (sums, weights)
    executor, reference = both(tape, dtype)
    for n in (9, 17):
        x, y = data(tape, n, dtype)
        assert_equal_gradients(executor, reference, x, y)
        assert_near(executor.forward(x, n), reference.forward(x, n))
