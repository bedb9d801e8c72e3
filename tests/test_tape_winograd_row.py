"""Convolutions by Winograd's algorithm along rows on the tape: as the reference, and chosen only where they can be.

Each case has the ops that are to be found, sorted: of maps, of images and of weights.
"""

import numpy as np
import pytest
from tape_nets import Net
from tapes import assert_equal_gradients, assert_near, both, data

from fastnn_kernels._jit import FEW_REGISTERS, TILE_LIMIT, lane_count
from fastnn_kernels.ops import winograd_row
from fastnn_kernels.ops.conv_stages import conv_sizes
from fastnn_kernels.program import make_program
from fastnn_kernels.stage import Machine
from fastnn_kernels.winograd_row_points import COUNTS, column_rows, output_rows, points_of

MAPS, IMAGES, WEIGHTS = "winograd_row_maps", "winograd_row_images", "winograd_row_weights"
ALL = [IMAGES, MAPS, WEIGHTS]
SAME = (1, 1, 1, 1)


def net(channels, filters, size, kernel=(3, 3), padding=(0, 0, 0, 0), **options):
    """The convolution in question behind another one, so that its input has a gradient."""
    layers = Net(2, *size).conv(channels, (1, 1)).conv(filters, kernel, padding=padding, **options)
    return layers.done("sum_squared_error")


def transposed(channels, filters, size, kernel, padding):
    """A transposed convolution, which goes from maps to images."""
    layers = Net(2, *size).conv(channels, (1, 1)).conv_transpose(filters, kernel, padding=padding)
    return layers.done("sum_squared_error")


CASES = {
    "5x5": (net(6, 16, (12, 12), (5, 5)), ALL),
    "5x5 to itself": (net(5, 4, (8, 8), (5, 5), (2, 2, 2, 2)), ALL),
    "3x3 to itself": (net(16, 16, (8, 8), padding=SAME), [IMAGES, MAPS, "winograd_weight"]),
    "more channels, odd maps": (net(33, 32, (7, 9), padding=SAME), ALL),
    "strips and several parts of filters": (net(24, 40, (14, 20), (5, 5), (2, 2, 2, 2)), ALL),
    "channels and filters that register tiles do not divide": (net(7, 5, (9, 16)), ALL),
    "a last tile with one column of its own": (net(4, 4, (6, 15)), [IMAGES, MAPS]),
    "one tile": (net(4, 4, (3, 6)), ALL),
    "one row of maps": (net(4, 6, (5, 12), (5, 5)), ALL),
    "a row of the kernel": (net(5, 6, (4, 12), (1, 5)), ALL),
    "4x4": (net(6, 7, (11, 13), (4, 4)), ALL),
    "2x2": (net(6, 7, (11, 16), (2, 2)), [IMAGES, MAPS]),
    "6x6": (net(4, 7, (11, 17), (6, 6)), ALL),
    "7x7": (net(4, 5, (10, 14), (7, 7), (3, 3, 3, 3)), ALL),
    "every side padded differently": (net(4, 5, (7, 10), padding=(2, 1, 0, 1)), [IMAGES, MAPS]),
    "padded by more than the kernel": (net(4, 5, (4, 6), padding=(5, 4, 4, 5)), [IMAGES, MAPS]),
    "without bias": (net(6, 4, (8, 8), padding=SAME, bias=False), ALL),
    "transposed": (transposed(4, 6, (8, 10), (5, 5), (1, 2, 0, 2)), ALL),
    "three channels": (net(3, 6, (8, 12), (5, 5)), [MAPS, WEIGHTS]),
    "one channel": (net(1, 6, (8, 12), (5, 5)), [MAPS, WEIGHTS]),
    "one channel, low kernels": (net(1, 6, (8, 12), (3, 5)), []),
    "two channels, parts and strips": (net(2, 9, (24, 27), (5, 5), (2, 2, 2, 2)), [MAPS, WEIGHTS]),
    "a last tile for weights": (net(6, 7, (9, 15), (5, 5)), ALL),
    "few filters": (net(6, 3, (8, 12), (5, 5)), []),
    "maps too narrow": (net(6, 6, (8, 5)), []),
    "too little saved": (net(6, 6, (8, 7)), []),
    "a stride": (net(6, 6, (13, 13), (5, 5), stride=(1, 2)), []),
    "a dilation": (net(6, 6, (14, 14), (3, 3), dilation=(1, 2)), []),
    "groups": (net(8, 8, (12, 12), (5, 5), groups=2), []),
}


def machine(dtype, tile_limit=TILE_LIMIT):
    lanes = lane_count(np.dtype(dtype).itemsize * 8)
    return Machine(lanes, tile_limit, lanes)


# Each compiles functions of its own: in float32 those alone that nets have most.
SINGLE = ("5x5", "strips and several parts of filters", "channels and filters that register tiles do not divide")


@pytest.mark.parametrize(("name", "dtype"), [*((n, np.float64) for n in CASES), *((n, np.float32) for n in SINGLE)])
def test_steps_equal_the_reference(name, dtype):
    tape, expected = CASES[name]
    program = make_program(tape, machine(dtype), backward=True, loss=True, update=None)
    used = [call.function.__name__ for call in program.calls]
    if not FEW_REGISTERS:  # where it wins less often
        assert sorted(name for name in used if name in {*ALL, "winograd_weight"}) == expected
    executor, reference = both(tape, dtype)
    for n in (9, 17):
        x, y = data(tape, n, dtype)
        assert_equal_gradients(executor, reference, x, y)
        assert_near(executor.forward(x, n), reference.forward(x, n))


def sizes(channels, filters, width, kernel):
    tape = net(channels, filters, (8, width), kernel)
    row = next(row for row in tape.forward if row.values["y"].shape[0] == filters and row.params["w"].shape[2] > 1)
    return conv_sizes(row, "x", "y")


@pytest.mark.parametrize(
    ("width", "kernel", "limit", "expected"),
    [
        (12, (5, 5), 24, (8, 4, 2)),  # 8 products for 4 outputs
        (10, (3, 3), 24, (6, 4, 2)),
        (12, (5, 5), 12, (8, 4, 2)),  # though one filter in a tile waits for loads
        (12, (4, 4), 12, (6, 3, 3)),
        (14, (7, 7), 24, (8, 2, 4)),  # 6 points have no two outputs
        (14, (7, 7), 7, None),  # no room for 8 points
        (10, (5, 5), 24, (8, 4, 2)),
    ],
)
def test_rows_are_cut_for_the_fewest_cycles(width, kernel, limit, expected):
    assert winograd_row.cut(sizes(6, 16, width, kernel), machine(np.float32, limit)) == expected


def test_exact_sums_are_direct():
    assert winograd_row.cut(sizes(6, 16, 12, (5, 5))._replace(exact=True), machine(np.float32)) is None


@pytest.mark.parametrize(("limit", "count", "rows"), [(24, 16, 3), (24, 6, 3), (24, 5, 3), (24, 2, 2), (12, 16, 1)])
def test_register_tiles_have_many_rows_and_few_to_spare(limit, count, rows):
    assert winograd_row._rows(count, 8, machine(np.float32, limit)) == rows


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("m", [2, 3, 4, 5])
def test_the_matrices_convolve(count, m):
    """``A' [(G g) * (B' d)]`` is the convolution of d with g, in float64."""
    rng = np.random.default_rng(count * m)
    d, g = rng.standard_normal(count), rng.standard_normal(count + 1 - m)
    pairs = points_of(count).pairs
    finite = [0.0, *(sign * a for a in pairs for sign in (1.0, -1.0))]
    by_halves = np.zeros((count, count))
    by_halves[0, 0] = by_halves[-1, -1] = 1.0
    for k in range(len(pairs)):
        first = 1 + 2 * k
        by_halves[first : first + 2, first : first + 2] = [[1, 1], [1, -1]]
    values = np.array([*(np.polyval(g[::-1], a) for a in finite), g[-1]]) * points_of(count).scales
    points = (np.array(column_rows(count)) @ by_halves).T @ d
    outputs = np.array(output_rows(count, m)) @ by_halves @ (values * points)
    np.testing.assert_allclose(outputs, np.correlate(d, g, "valid"), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("channels", "size", "kernel", "bound"), [
    (32, (13, 13), (3, 3), 1.5e-6), (6, (12, 12), (5, 5), 2e-6), (32, (14, 14), (5, 5), 2e-6),
])  # fmt: skip
def test_the_error_stays_within_what_is_stated(channels, size, kernel, bound):
    """Outputs of float32 beside those of float64, on normal random numbers, relative to the largest."""
    tape = Net(channels, *size).conv(16, kernel).tape
    executor, _ = both(tape, np.float32)
    _, reference = both(tape, np.float64)
    x = np.random.default_rng(0).standard_normal((16, channels, *size)).astype(np.float32)
    reference.memory.params[...] = executor.memory.params
    found, expected = executor.forward(x, 16), reference.forward(x.astype(np.float64), 16)
    assert np.abs(found - expected).max() < bound * np.abs(expected).max()


def test_a_bad_number_spoils_its_own_image_alone():
    tape, _ = CASES["5x5"]
    executor, _ = both(tape, np.float32)
    x, _ = data(tape, 20, np.float32)
    clean = executor.forward(x, 20)
    x[7, 0, 3, 3] = np.inf
    spoilt = executor.forward(x, 20)
    assert np.isnan(spoilt[7]).any()
    far = spoilt[7].reshape(16, 8, 8)[:, 4:]  # rows that do not read it
    np.testing.assert_array_equal(far, clean[7].reshape(16, 8, 8)[:, 4:])
    others = np.arange(20) != 7
    np.testing.assert_array_equal(spoilt[others], clean[others])
