"""The compiled entries of convolution: outputs and input gradients, which are one kind of sum, and weight gradients."""

from typing import NamedTuple

import numpy as np

from ._checks import MEMORY_LIMIT
from ._jit import TILE_LIMIT, entries, entry, inline, kernel, prange
from .conv_block import channel_sums_block
from .conv_flat_block import (
    NO,
    ONE,
    ZERO,
    Maps,
    Taps,
    View,
    correlate_block,
    count_maps,
    dots_block,
    mend_dots_block,
    pack_taps,
    place_block,
    plan_maps,
    stage_block,
    tap_table,
)
from .im2col_block import places_inside
from .reduction import tree_sum
from .simd import lanes, vload, vstore, vsum
from .tile import tile
from .vmath import vset

# Tiles of (filters, vectors of pixels), and of one filter where a group has fewer: two shapes are all that is compiled.
ROWS, COLS = 4, min(4, TILE_LIMIT // 4)
ROW_COLS = 8
# Tiles of (filters, kernel elements) of a weight gradient, and of one filter: a 3x3 kernel at once.
DOT_COLS = min(4, TILE_LIMIT // 4)
DOT_ROW_COLS = 9
# Bytes of scratch of a task: a part of the second-level cache.
_CACHE = 1 << 19
# A weight gradient is summed in at most so many parts, whatever the number of threads.
_PARTS = 16


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


class Sums(NamedTuple):
    """Sums over `terms` products at rows x cols positions of `n` images, from `channels` to `filters`.

    `width` is the number of vectors of a register tile; `cost` and `extra` are the estimated time of a product and of
    the rest of a sum, in vector instructions.
    """

    n: int
    channels: int
    filters: int
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
    return view, target, Sums(conv.n, channels, filters, rows, cols, inner, np.int64(COLS if whole else ROW_COLS),
                              np.int64(1 if whole else 2), ONE)


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
    scratch = staged + float(sums.filters) * line
    cost = staged + planes * maps.rows * job.samples * (4 + (2 * vectors if view.sw < 3 else 4 * sums.cols))
    product = sums.terms * sums.cost * (line + sums.extra)
    cost += float(sums.filters) * (product + job.samples * job.band * (2 + vectors))
    if scratch * L * itemsize > _CACHE:
        cost += 8 * scratch
    return cost * -(-job.units // workers)


@kernel
def _choose(view, sums, columns, L, itemsize, workers):
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
def _plan(view, sums, job, L):
    """Return maps and vectors of a task; refused here, since an error in a parallel loop would be lost."""
    maps = plan_maps(view, job.band, sums.cols, job.samples, job.fold_h, job.fold_w, L)
    elements = float(sums.channels) * maps.high * maps.wide + float(sums.filters)
    if elements * job.samples * maps.rows * maps.pitch > MEMORY_LIMIT:
        raise MemoryError("convolution: no memory can hold the padded images")
    return maps, line_vectors(maps, job.samples, job.band, sums, L)


@inline
def _band(view, first):
    """View the images for outputs from row `first` on."""
    return View(view.height, view.width, view.kh, view.kw, view.sh, view.sw, view.dh, view.dw,
                view.top - first * view.sh, view.left)


@inline
def packed_rows(rows):
    """Count the rows of packed weights: whole tiles."""
    return -(-rows // ROWS) * ROWS if rows >= ROWS else rows


@kernel
def fill(y, yo, samples, channels, target, first, last, bias):
    """Write the bias to rows `first` to `last` of each image."""
    first, last = max(0, first), min(target.height, last)
    for plane in range(samples * channels):
        at = yo + (plane * target.height + first) * target.width
        for q in range(max(0, last - first) * target.width):
            y[at + q] = bias[plane % channels]


@kernel
def _sums_worker(worker, workers, x, y, m, size, table, packed, bias, numbers, backward, chosen):
    """Do every `workers`-th task, from `worker` on, in scratch of `size` elements."""
    L = lanes(x)
    conv, job = Conv(*numbers), Job(*chosen)
    view, target, sums = describe(conv, backward)
    maps, _ = _plan(view, sums, job, L)
    per, channel = sums.filters // conv.groups, sums.channels // conv.groups * maps.high * maps.wide * maps.size
    plane, image = target.height * target.width, sums.channels * view.height * view.width
    mo = worker * size
    yo = mo + conv.groups * channel + L
    for unit in range(worker, job.units, workers):
        s, first = unit // job.bands * job.samples, unit % job.bands * job.band
        samples, band = min(job.samples, conv.n - s), min(job.band, sums.rows - first)
        stage_block(x, s * image, samples, sums.channels, image, _band(view, first), m, mo, maps, maps.rows)
        if target.high * target.wide < target.sh * target.sw:
            # There are pixels that no kernel element leads to.
            fill(y, s * sums.filters * plane, samples, sums.filters, target, first * target.sh + target.down,
                  (first + band) * target.sh + target.down, bias)
        vectors = line_vectors(maps, samples, band, sums, L)
        at, w = ZERO, ZERO
        for phase in range(target.high * target.wide):
            weights, _ = phase_taps(conv, view, target, phase, NO)
            terms = sums.channels // conv.groups * weights.count_h * weights.count_w
            # Rows and columns of the target: of those of the task, the ones inside the image.
            down = first * target.sh + weights.first_h * conv.dh % target.sh + target.down
            right = weights.first_w * conv.dw % target.sw + target.right
            r, r_end = places_inside(down, target.sh, target.height, band)
            q, q_end = places_inside(right, target.sw, target.width, sums.cols)
            pixel = (down + r * target.sh) * target.width + right + q * target.sw
            for g in range(conv.groups):
                if per >= ROWS:
                    correlate_block(tile(x, ROWS, COLS), m, mo + g * channel, table, at, terms, packed, w, bias,
                                    g * per, m, yo, vectors * L, per, vectors)
                else:
                    correlate_block(tile(x, 1, ROW_COLS), m, mo + g * channel, table, at, terms, packed, w, bias,
                                    g * per, m, yo, vectors * L, per, vectors)
                w += packed_rows(per) * terms
                place_block(m, yo + r * maps.pitch + q, vectors * L, maps.sample, maps.pitch, samples, per,
                            r_end - r, q_end - q, y, (s * sums.filters + g * per) * plane + pixel,
                            sums.filters * plane, plane, target.sh * target.width, target.sw)
            at += terms


def _prepare_sums_entry(workers, w, b, has_bias, numbers, backward, columns):
    """Plan the tasks, pack the weights; return what `_sums_entry` takes.

    An entry of its own, since the parallel one is compiled for its loop alone: with this in it that took twice as long.
    """
    L, conv = lanes(w), Conv(*numbers)
    view, target, sums = describe(conv, backward)
    job = _choose(view, sums, columns, L, w.itemsize, workers)
    maps, line = _plan(view, sums, job, L)
    inner, per, taps = sums.channels // conv.groups, sums.filters // conv.groups, conv.kh * conv.kw
    row_stride, channel_stride = (taps, per * taps) if backward else (sums.terms, taps)
    table, packed = np.empty(sums.terms, np.int64), np.empty(conv.groups * packed_rows(per) * sums.terms, w.dtype)
    at, to = ZERO, ZERO
    for phase in range(target.high * target.wide):
        weights, views = phase_taps(conv, view, target, phase, backward)
        terms = tap_table(view, maps, views, inner, table, at)
        for g in range(conv.groups):
            if per >= ROWS:
                pack_taps(tile(w, ROWS, 1), w, g * per * sums.terms, per, row_stride, inner, channel_stride, conv.kw,
                          weights, packed, to)
            else:
                pack_taps(tile(w, 1, 1), w, g * per * sums.terms, per, row_stride, inner, channel_stride, conv.kw,
                          weights, packed, to)
            to += packed_rows(per) * terms
        at += terms
    bias = np.zeros(sums.filters, w.dtype)
    if has_bias:
        for k in range(sums.filters):
            bias[k] = b[k]
    # Behind the maps a vector of zeros; behind the sums what the last tile of pixels reads beyond the maps.
    size = sums.channels * maps.high * maps.wide * maps.size + L + (per * line + ROW_COLS) * L
    return table, packed, bias, size, (job.fold_h, job.fold_w, job.samples, job.band, job.bands, job.units)


def _sums_entry(workers, x, y, table, packed, bias, size, chosen, numbers, backward):
    """Write the outputs of a convolution or, `backward`, with dy for x and dx for y, the gradient for its input."""
    m = np.empty(workers * size, x.dtype)
    for worker in prange(workers):
        _sums_worker(np.int64(worker), workers, x, y, m, size, table, packed, bias, numbers, backward, chosen)


@kernel
def _weight_worker(worker, workers, dy, x, m, scratch, parts, table, numbers, chosen):
    """Make every `workers`-th part of the sums, from `worker` on."""
    L, terms = lanes(x), table.size
    conv, job = Conv(*numbers), Job(*chosen)
    view, _, sums = describe(conv, NO)
    maps, _ = _plan(view, sums, job, L)
    channel, per, size = maps.high * maps.wide * maps.size, conv.k // conv.groups, conv.k * terms + conv.k
    inner, image, places = conv.c // conv.groups * channel, conv.c * conv.height * conv.width, conv.oh * conv.ow
    count = parts.size // size
    xo = worker * scratch
    do = xo + conv.c * channel + L
    for part in range(worker, count, workers):
        for unit in range(part * job.units // count, (part + 1) * job.units // count):
            s, first = unit // job.bands * job.samples, unit % job.bands * job.band
            samples, band = min(job.samples, conv.n - s), min(job.band, conv.oh - first)
            stage_block(x, s * image, samples, conv.c, image, _band(view, first), m, xo, maps, maps.rows)
            # Beside zeros of dy; what is left of other sums here may be NaN.
            vstore(m, do - L, vset(m, 0.0))
            vectors = -(-((samples - 1) * maps.sample + (band - 1) * maps.pitch + conv.ow) // L)
            line = vectors * L
            outputs = View(conv.oh, conv.ow, ONE, ONE, ONE, ONE, ONE, ONE, -first, ZERO)
            stage_block(dy, s * conv.k * places, samples, conv.k, conv.k * places, outputs, m, do,
                        Maps(ONE, ONE, ONE, ONE, band, maps.pitch, maps.sample, line), band)
            so = do + conv.k * line + L
            for g in range(conv.groups):
                dg, xg, sg = do + g * per * line, xo + g * inner, so + g * per * terms
                if per >= ROWS:
                    dots_block(tile(x, ROWS, DOT_COLS), m, dg, line, m, xg, table, terms, per, vectors, m, sg)
                else:
                    dots_block(tile(x, 1, DOT_ROW_COLS), m, dg, line, m, xg, table, terms, per, vectors, m, sg)
                mend_dots_block(m, dg, line, m, xg, table, terms, per, samples, band, conv.ow, maps, m, sg)
            channel_sums_block(m, do, line, ZERO, conv.k, ONE, vectors, m, so + conv.k * terms)
            for i in range(size):
                parts[part * size + i] += m[so + i]


def _prepare_weight_entry(like, numbers):
    """Plan the tasks of a weight gradient; return what `_weight_entry` takes."""
    L, conv = lanes(like), Conv(*numbers)
    view, target, sums = describe(conv, NO)
    # So many terms that a tile fits; those too many repeat the last.
    terms = max(sums.terms, np.int64(DOT_COLS if conv.k // conv.groups >= ROWS else DOT_ROW_COLS))
    weighed = Sums(sums.n, sums.channels, sums.filters, sums.rows, sums.cols, terms, ONE, sums.cost, np.int64(8))
    job = _choose(view, weighed, NO, L, like.itemsize, 4)
    maps, line = _plan(view, weighed, job, L)
    table = np.empty(terms, np.int64)
    weights, _ = phase_taps(conv, view, target, ZERO, NO)
    tap_table(view, maps, weights, conv.c // conv.groups, table, ZERO)
    for k in range(sums.terms, terms):
        table[k] = table[sums.terms - 1]
    size = conv.k * terms + conv.k
    parts = np.zeros(max(1, min(job.units, _PARTS)) * size, like.dtype)
    scratch = conv.c * maps.high * maps.wide * maps.size + L + (conv.k * line + 1) * L + size
    return table, parts, scratch, (job.fold_h, job.fold_w, job.samples, job.band, job.bands, job.units)


def _weight_entry(workers, dy, x, table, parts, scratch, chosen, numbers):
    """Sum the gradients of weights and bias, in parts."""
    m = np.empty(workers * scratch, x.dtype)
    for worker in prange(workers):
        _weight_worker(np.int64(worker), workers, dy, x, m, scratch, parts, table, numbers, chosen)


def _add_parts_entry(parts, table, dw, db):
    """Sum the parts in a fixed tree, and take out what is not repeated."""
    k, terms = db.size, table.size
    size, wanted = k * terms + k, dw.size // k
    tree_sum(parts, 0, size, parts.size // size, size)
    for r in range(k):
        for i in range(wanted):
            dw[r * wanted + i] = parts[r * terms + i]
        db[r] = parts[k * terms + r]


def _channel_sums_entry(dy, db, n, pixels):
    """Sum each channel of images: the gradient of a bias."""
    L = lanes(dy)
    for c in range(db.size):
        total, rest = vset(dy, 0.0), 0.0
        for s in range(n):
            first = (s * db.size + c) * pixels
            for k in range(first, first + pixels // L * L, L):
                total = total + vload(dy, k)
            for k in range(first + pixels // L * L, first + pixels):
                rest += dy[k]
        db[c] = vsum(total) + rest


CHANNEL_SUMS = entry(_channel_sums_entry)
PREPARE_SUMS, SUMS = entry(_prepare_sums_entry), entries(_sums_entry)
PREPARE_WEIGHT, WEIGHT, ADD_PARTS = entry(_prepare_weight_entry), entries(_weight_entry), entry(_add_parts_entry)
