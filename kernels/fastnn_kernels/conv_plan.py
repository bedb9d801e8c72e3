"""How a convolution is cut into tasks: what is summed, how it is staged, how many images and rows at a time.

Compiled functions of sizes alone. The plan changes no bit of outputs and input gradients, so it may depend on the
number of threads; that of a weight gradient does not.
"""

from typing import NamedTuple

import numpy as np

from ._checks import MEMORY_LIMIT
from ._jit import TILE_LIMIT, either, inline, kernel
from .conv_flat_block import ONE, ZERO, Taps, View, count_maps, plan_maps

# Tiles of (filters, vectors of pixels), and of one filter where a group has fewer: two shapes are all that is compiled.
ROWS, COLS = 4, min(4, TILE_LIMIT // 4)
ROW_COLS = 8
# Tiles of (filters, vectors) of sums over images that are read as they are, or staged as rows of whole vectors.
WIDE_ROWS, WIDE_COLS = (8, 2) if TILE_LIMIT >= 16 else (4, 2)
# Tiles of (filters, kernel elements) of a weight gradient, and of one filter: a 3x3 kernel at once.
DOT_COLS = min(4, TILE_LIMIT // 4)
DOT_ROW_COLS = 9
# Bytes of scratch of a task: a part of the second-level cache.
_CACHE = 1 << 19


class Conv(NamedTuple):
    """A convolution of x (n, c, height, width) with w (k, c / groups, kh, kw), or the gradient of one."""

    n: int
    c: int
    k: int
    groups: int
    height: int
    width: int
    kh: int
    kw: int
    oh: int
    ow: int
    sh: int
    sw: int
    dh: int
    dw: int
    top: int
    left: int


@either
def sizes_of(conv: Conv, backward: bool) -> tuple[int, int, int, int]:
    """Return filters, channels, rows and columns of outputs or, `backward`, of an input gradient."""
    return (conv.c, conv.k, conv.height, conv.width) if backward else (conv.k, conv.c, conv.oh, conv.ow)


class Sums(NamedTuple):
    """Sums over `terms` products at rows x cols positions of `n` images, from `channels` to `filters`.

    `width` is the number of vectors of a register tile; `cost` and `extra` are the estimated time of a product and of
    the rest of a sum, in vector instructions.
    """

    n: int
    channels: int
    filters: int
    groups: int
    rows: int
    cols: int
    terms: int
    width: int
    cost: int
    extra: int


class Job(NamedTuple):
    """How sums are cut into tasks: `units` tasks of `samples` images, and of `band` rows where those are many."""

    fold_h: int
    fold_w: int
    samples: int
    band: int
    bands: int
    units: int


class Target(NamedTuple):
    """Where sums go: row r and column q of phase (a, b) are pixel (r * sh + a + down, q * sw + b + right)."""

    height: int
    width: int
    high: int  # phases that occur
    wide: int
    sh: int
    sw: int
    down: int
    right: int


@kernel
def describe(conv, backward):
    """Describe view, sums and target of the outputs of a convolution or, `backward`, of the gradient for its input.

    There, with row u of phase a being padded row ``a + sh * u``, kernel row i of that phase met output row
    ``u - i * dh // sh``: a kernel of all these shifts, upside down, looks at dy with stride 1.
    """
    channels, filters, rows, cols = conv.c, conv.k, conv.oh, conv.ow
    view = View(conv.height, conv.width, conv.kh, conv.kw, conv.sh, conv.sw, conv.dh, conv.dw, conv.top, conv.left)
    target = Target(conv.oh, conv.ow, ONE, ONE, ONE, ONE, ZERO, ZERO)
    if backward:
        channels, filters = filters, channels
        reach_h, reach_w = (conv.kh - 1) * conv.dh // conv.sh, (conv.kw - 1) * conv.dw // conv.sw
        kh, dh = (conv.kh, conv.dh) if conv.sh == 1 else (reach_h + 1, ONE)
        kw, dw = (conv.kw, conv.dw) if conv.sw == 1 else (reach_w + 1, ONE)
        u, v = conv.top // conv.sh, conv.left // conv.sw
        rows, cols = (conv.top + conv.height - 1) // conv.sh - u + 1, (conv.left + conv.width - 1) // conv.sw - v + 1
        view = View(conv.oh, conv.ow, kh, kw, ONE, ONE, dh, dw, reach_h - u, reach_w - v)
        target = Target(conv.height, conv.width, count_maps(conv.kh, conv.dh, conv.sh),
                        count_maps(conv.kw, conv.dw, conv.sw), conv.sh, conv.sw, u * conv.sh - conv.top,
                        v * conv.sw - conv.left)
    inner, whole = channels // conv.groups * conv.kh * conv.kw, filters // conv.groups >= ROWS
    width, cost = np.int64(COLS if whole else ROW_COLS), np.int64(1 if whole else 2)
    return view, target, Sums(conv.n, channels, filters, conv.groups, rows, cols, inner, width, cost, ONE)


@kernel
def phase_taps(conv, view, target, phase, backward):
    """Return the kernel elements of a phase: as the weights have them, and as the view has them."""
    a, b = phase // target.wide, phase % target.wide
    weights = Taps(a, target.high, -(-(conv.kh - a) // target.high), b, target.wide, -(-(conv.kw - b) // target.wide))
    if not backward:
        return weights, weights
    # Shifts of the first element, and from one to the next.
    shift_h, shift_w = a * conv.dh // conv.sh // view.dh, b * conv.dw // conv.sw // view.dw
    step_h, step_w = target.high * conv.dh // conv.sh // view.dh, target.wide * conv.dw // conv.sw // view.dw
    return weights, Taps(view.kh - 1 - shift_h, -step_h, weights.count_h, view.kw - 1 - shift_w, -step_w,
                         weights.count_w)


@inline
def line_vectors(maps, samples, rows, sums, L):
    """Count the vectors that cover all positions of a task, at least as many as a tile has."""
    return max(sums.width, -(-((samples - 1) * maps.sample + (rows - 1) * maps.pitch + sums.cols) // L))


@kernel
def _cost(job, view, sums, L, itemsize, workers):
    """Estimate the time of the busiest worker, in vector instructions."""
    maps = plan_maps(view, job.band, sums.cols, job.samples, job.fold_h, job.fold_w, L)
    line = -(-line_vectors(maps, job.samples, job.band, sums, L) // sums.width) * sums.width
    planes = float(sums.channels * maps.high * maps.wide)
    staged, vectors = planes * job.samples * maps.rows * maps.pitch / L, -(-sums.cols // L)
    scratch = (staged + float(sums.filters) * line) / sums.groups
    cost = staged + planes * maps.rows * job.samples * (4 + (2 * vectors if view.sw < 3 else 4 * sums.cols))
    product = sums.terms * sums.cost * (line + sums.extra)
    cost += float(sums.filters) * (product + job.samples * job.band * (2 + vectors))
    if scratch * L * itemsize > _CACHE:
        cost += 8 * scratch
    return cost * -(-job.units // workers)


# Measured against the form that this one replaced, 16 images side by side in the lanes, in one process on one thread
# of an AMD Zen 4 (AVX-512, 117 GFLOP/s at most) with other work on it, float32, medians of 15, November 2026; times
# as fast (outputs, dx, dw):
#
#                      1 image            8 images           32 images
#   1->6 5x5, 28x28    4.2  8.5  6.9      1.7  2.8  1.8      0.8  1.6  0.8
#   6->16 5x5, 12x12   3.8  3.6  4.7      1.3  1.1  1.1      0.8  0.6  0.7
#   16->16 3x3, 32x32  12   12   13       2.2  2.1  2.1      1.1  1.0  0.9
#   32->32 3x3, 14x14  10   9.5  7.8      2.0  1.9  1.6      1.0  1.0  0.9
#   64->64 3x3, 8x8    7.5  7.1  5.8      1.6  1.5  1.1      0.8  0.7  0.7
#   64->64 3x3, 4x4    2.4  2.1  2.4      1.0  0.9  0.5      0.7  0.6  0.5
#   64->64 1x1, 14x14  9.1  8.8  11       2.4  2.3  2.6      1.1  1.1  1.1
#   16->32 3x3 / 2     7.9  8.2  8.0      1.9  1.8  2.1      0.9  1.0  0.9
#
# Lanes of images win where maps are small and images many; that is what lane blocks on the tape are for. Two forms
# here would take twice as long to compile.
@kernel
def choose_job(view, sums, columns, L, itemsize, workers):
    """Choose the fold, and images and rows of a task: the least estimated time. Only one fold with `columns`."""
    far_h, far_w = (view.kh - 1) * view.dh + 1, (view.kw - 1) * view.dw + 1
    best, best_cost = Job(far_h, far_w, ONE, sums.rows, ONE, sums.n), np.inf
    for fold in range(2 if columns else 0, 3):
        fold_h, fold_w = far_h if fold == 2 else view.sh, far_w if fold >= 1 else view.sw
        # A 64th of an image, a 32nd, ... one image, two, ... 16.
        for power in range(-6, 5):
            samples, band = ONE << max(power, 0), -(-sums.rows >> max(-power, 0))
            if (power > 0 and samples > sums.n) or (power < 0 and band * sums.cols < 4 * L):
                continue
            bands = -(-sums.rows // band)
            job = Job(fold_h, fold_w, samples, band, bands, -(-sums.n // samples) * bands)
            cost = _cost(job, view, sums, L, itemsize, workers)
            if cost < best_cost:
                best, best_cost = job, cost
    return best


@kernel
def plan_job(view, sums, job, L):
    """Return maps and vectors of a task; refused here, since an error of a thread has no text."""
    maps = plan_maps(view, job.band, sums.cols, job.samples, job.fold_h, job.fold_w, L)
    elements = float(sums.channels) * maps.high * maps.wide + float(sums.filters)
    if elements * job.samples * maps.rows * maps.pitch > MEMORY_LIMIT:
        raise MemoryError("convolution: no memory can hold the padded images")
    return maps, line_vectors(maps, job.samples, job.band, sums, L)


@inline
def packed_rows(rows):
    """Count the rows of packed weights: whole tiles."""
    return -(-rows // ROWS) * ROWS if rows >= ROWS else rows
