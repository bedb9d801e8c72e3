"""Between (N, ...) arrays and lane blocks: samples side by side in the lanes of a vector."""

from ._jit import kernel
from .convert import copy_as, load_as
from .machine_state import prefetch
from .simd import lanes, vload, vstore
from .tile import tile_gather, tile_load, tile_square, tile_store, tile_store_at, tile_transpose

# Vectors of a sample that are fetched ahead.
_AHEAD = 4


@kernel
def lane_samples(samples, first, n):
    """Fill in a block's samples from `first` on, spare lanes with sample 0; return the number of valid lanes."""
    for lane in range(samples.size):
        samples[lane] = first + lane if first + lane < n else 0
    return min(samples.size, n - first)


@kernel
def gather_block(x, size, samples, first, y, yo):
    """Load ``x[samples[first + lane] * size + feature]`` into ``y[feature, lane]``, in y's dtype."""
    L = lanes(y)
    t = tile_square(y)
    if L == 1:
        copy_as(x, samples[first] * size, y, yo, size)
    elif size >= L:
        for q in range(-(-size // L)):
            f = min(q * L, size - L)
            for lane in range(L):
                prefetch(x, samples[first + lane] * size + f + _AHEAD * L)
            tile_gather(t, x, f, samples, first, size)
            tile_transpose(t)
            tile_store(t, y, yo + f * L, L, 0)
    else:
        for lane in range(L):
            for f in range(size):
                y[yo + f * L + lane] = load_as(x, samples[first + lane] * size + f, y)


@kernel
def gather_halo_block(x, channels, height, width, samples, first, table, y, yo, y_channel, y_row):
    """Load images as `gather_block` does, of at least a vector of pixels, into a map with a halo.

    `table` is room for height * width offsets. By way of a map without a halo the images of 32 x 32 x 32 took twice
    as long: that and the map do not fit the second-level cache together.
    """
    L = lanes(y)
    t = tile_square(y)
    pixels = height * width
    for h in range(height):
        for w in range(width):
            table[h * width + w] = h * y_row + w * L
    for c in range(channels):
        for q in range(-(-pixels // L)):
            f = min(q * L, pixels - L)
            for lane in range(L):
                prefetch(x, (samples[first + lane] * channels + c) * pixels + f + _AHEAD * L)
            tile_gather(t, x, c * pixels + f, samples, first, channels * pixels)
            tile_transpose(t)
            tile_store_at(t, y, yo + c * y_channel, table, f)


@kernel
def interleave_block(x, xo, size, y, yo):
    """Load ``x[lane, feature]``, as many rows of `size` elements as there are lanes, into ``y[feature, lane]``."""
    L = lanes(y)
    t = tile_square(y)
    f = 0
    while f + L <= size:
        tile_load(t, x, xo + f, size, 0)
        tile_transpose(t)
        tile_store(t, y, yo + f * L, L, 0)
        f += L
    for lane in range(L):
        for k in range(f, size):
            y[yo + k * L + lane] = x[xo + lane * size + k]


@kernel
def scatter_block(x, xo, size, valid, y, yo):
    """Store the first `valid` lanes of ``x[feature, lane]`` as rows ``y[lane, feature]``.

    Stores past the caches won nothing, nor did fetching the lines of the rows ahead: 128 maps of 32x32x32 took 640 us
    either way, two threads.
    """
    L = lanes(x)
    t = tile_square(x)
    f = 0
    while valid == L and f + L <= size:
        tile_load(t, x, xo + f * L, L, 0)
        tile_transpose(t)
        tile_store(t, y, yo + f, size, 0)
        f += L
    for lane in range(valid):
        for k in range(f, size):
            y[yo + lane * size + k] = x[xo + k * L + lane]


@kernel
def rows_to_lanes(x, xo, size, valid, y, yo, zeros):
    """Load rows ``x[lane, feature]`` into ``y[feature, lane]``; spare lanes get zeros, or what the first one has."""
    L = lanes(y)
    t = tile_square(y)
    f = 0
    while valid == L and f + L <= size:
        tile_load(t, x, xo + f, size, 0)
        tile_transpose(t)
        tile_store(t, y, yo + f * L, L, 0)
        f += L
    for k in range(f, size):
        for lane in range(L):
            row = lane if lane < valid else 0
            y[yo + k * L + lane] = 0.0 if zeros and lane >= valid else x[xo + row * size + k]


@kernel
def copy_elements(x, xo, y, yo, count):
    """Copy `count` elements, whatever their number."""
    L = lanes(x)
    i = 0
    while i + L <= count:
        vstore(y, yo + i, vload(x, xo + i))
        i += L
    while i < count:
        y[yo + i] = x[xo + i]
        i += 1


@kernel
def copy_block(x, xo, x_channel, x_row, y, yo, y_channel, y_row, channels, height, width):
    """Copy the interior of a map from one placement to another."""
    L = lanes(x)
    for c in range(channels):
        for h in range(height):
            for w in range(width):
                vstore(y, yo + c * y_channel + h * y_row + w * L, vload(x, xo + c * x_channel + h * x_row + w * L))


@kernel
def zero_halo_block(x, xo, channels, rows, cols, top, bottom, left, right, zero):
    """Write zeros around a map of (channels, rows, cols) vectors, halo included, that starts at `xo`."""
    L = lanes(x)
    for c in range(channels):
        for h in range(rows):
            p = xo + (c * rows + h) * cols * L
            border = h < top or h >= rows - bottom
            for w in range(cols if border else left):
                vstore(x, p + w * L, zero)
            for w in range(cols if border else cols - right, cols):
                vstore(x, p + w * L, zero)
