"""The compiled entries of convolution: outputs and input gradients, which are one kind of sum, and weight gradients."""

import numpy as np

from ._jit import entry, inline, kernel
from ._public import NO
from .conv_block import channel_sums_block
from .conv_flat_block import (
    ONE,
    ZERO,
    Maps,
    View,
    correlate_block,
    dots_block,
    mend_dots_block,
    pack_taps,
    place_block,
    stage_block,
    tap_table,
    windows_block,
)
from .conv_lines import has_lines, has_spread_lines, lines, lines_scratch
from .conv_plan import (
    COLS,
    DOT_COLS,
    DOT_ROW_COLS,
    ROW_COLS,
    ROWS,
    WIDE_ROWS,
    Conv,
    Job,
    Sums,
    choose_job,
    describe,
    line_vectors,
    packed_rows,
    phase_taps,
    plan_job,
)
from .im2col_block import places_inside
from .reduction import tree_sum
from .sharing import share_of
from .simd import lanes, vload, vstore, vsum
from .team import share_out, threads_of
from .tile import tile
from .vmath import vset

# A weight gradient is summed in at most so many parts, whatever the number of threads.
_PARTS = 16
# Workers that its plan counts on, since it must not depend on their number.
_WORKERS = 4


@inline
def _band(view, first):
    """View the images for outputs from row `first` on."""
    return View(view.height, view.width, view.kh, view.kw, view.sh, view.sw, view.dh, view.dw,
                view.top - first * view.sh, view.left)


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
    spread = has_spread_lines(conv, sums.filters, L, backward)
    if spread or has_lines(conv, sums.filters, L):
        lines(worker, workers, x, y, conv.n, sums, view.height, view.width, packed, bias, m, worker * size, spread)
        return
    maps, _ = plan_job(view, sums, job, L)
    per, inner = sums.filters // conv.groups, sums.channels // conv.groups
    plane, image = target.height * target.width, sums.channels * view.height * view.width
    # Filters of their own channels, and maps at least as large as a tile of pixels.
    in_windows = (per == 1 and job.bands == 1 and target.high * target.wide == 1 and sums.cols >= L and sums.rows >= 8
                  and sums.rows == target.height and sums.cols == target.width)
    mo = worker * size
    yo = mo + inner * maps.high * maps.wide * maps.size + L
    for unit in range(worker, job.units, workers):
        s, first = unit // job.bands * job.samples, unit % job.bands * job.band
        samples, band = min(job.samples, conv.n - s), min(job.band, sums.rows - first)
        if target.high * target.wide < target.sh * target.sw:
            # There are pixels that no kernel element leads to.
            fill(y, s * sums.filters * plane, samples, sums.filters, target, first * target.sh + target.down,
                  (first + band) * target.sh + target.down, bias)
        vectors = line_vectors(maps, samples, band, sums, L)
        # One group after the other: its maps then stay in the first-level cache.
        for g in range(conv.groups):
            stage_block(x, s * image + g * inner * view.height * view.width, samples, inner, image, _band(view, first),
                        m, mo, maps, maps.rows)
            at, w = ZERO, ZERO
            for phase in range(target.high * target.wide):
                weights, _ = phase_taps(conv, view, target, phase, NO)
                terms = inner * weights.count_h * weights.count_w
                # Rows and columns of the target: of those of the task, the ones inside the image.
                down = first * target.sh + weights.first_h * conv.dh % target.sh + target.down
                right = weights.first_w * conv.dw % target.sw + target.right
                r, r_end = places_inside(down, target.sh, target.height, band)
                q, q_end = places_inside(right, target.sw, target.width, sums.cols)
                pixel = (down + r * target.sh) * target.width + right + q * target.sw
                own = w + g * packed_rows(per) * terms
                if in_windows:
                    for i in range(samples):
                        to = ((s + i) * sums.filters + g) * plane
                        if sums.cols >= 2 * L:
                            windows_block(tile(x, 4, 2), m, mo + i * maps.sample, maps.pitch, table, at, terms, packed,
                                          own, bias, g, y, to, sums.rows, sums.cols)
                        else:
                            windows_block(tile(x, 8, 1), m, mo + i * maps.sample, maps.pitch, table, at, terms, packed,
                                          own, bias, g, y, to, sums.rows, sums.cols)
                    continue
                if per >= ROWS:
                    correlate_block(tile(x, ROWS, COLS), m, mo, table, at, terms, packed, own, bias, g * per, m, yo,
                                    vectors * L, per, vectors)
                else:
                    correlate_block(tile(x, 1, ROW_COLS), m, mo, table, at, terms, packed, own, bias, g * per, m, yo,
                                    vectors * L, per, vectors)
                w += conv.groups * packed_rows(per) * terms
                place_block(m, yo + r * maps.pitch + q, vectors * L, maps.sample, maps.pitch, samples, per,
                            r_end - r, q_end - q, y, (s * sums.filters + g * per) * plane + pixel,
                            sums.filters * plane, plane, target.sh * target.width, target.sw)
                at += terms


@kernel
def _in_lines(conv, sums, L, backward):
    """Whether sums are made line by line: with spread lines, with others."""
    return has_spread_lines(conv, sums.filters, L, backward), has_lines(conv, sums.filters, L)


def _plan_sums_entry(like, workers, numbers, backward, columns):
    """Plan the tasks; return what `_sums_entry` takes: elements of a worker's scratch, and the job."""
    L, conv = lanes(like), Conv(*numbers)
    view, _, sums = describe(conv, backward)
    job = choose_job(view, sums, columns, L, like.itemsize, workers)
    maps, line = plan_job(view, sums, job, L)
    inner, per = sums.channels // conv.groups, sums.filters // conv.groups
    # Behind the maps a vector of zeros; behind the sums what the last tile of pixels reads beyond the maps.
    size = inner * maps.high * maps.wide * maps.size + L + (per * line + ROW_COLS) * L
    spread, plain = _in_lines(conv, sums, L, backward)
    if spread or plain:
        size = lines_scratch(conv, sums, L, spread)
    return size, (job.fold_h, job.fold_w, job.samples, job.band, job.bands, job.units)


@kernel
def _pack(w, job, conv, backward):
    """Return the places of the terms in the maps, and the weights in the order of tiles."""
    L = lanes(w)
    view, target, sums = describe(conv, backward)
    maps, _ = plan_job(view, sums, job, L)
    inner, per, taps = sums.channels // conv.groups, sums.filters // conv.groups, conv.kh * conv.kw
    row_stride, channel_stride = (taps, per * taps) if backward else (sums.terms, taps)
    # With lines there is one group, in tiles of another height.
    spread, plain = _in_lines(conv, sums, L, backward)
    in_lines = spread or plain
    rows = conv.groups * packed_rows(per) + (WIDE_ROWS if in_lines else 0)
    table, packed = np.empty(sums.terms, np.int64), np.empty(rows * sums.terms, w.dtype)
    at, to = ZERO, ZERO
    for phase in range(target.high * target.wide):
        weights, views = phase_taps(conv, view, target, phase, backward)
        terms = tap_table(view, maps, views, inner, table, at)
        for g in range(conv.groups):
            if per >= WIDE_ROWS and in_lines:
                pack_taps(tile(w, WIDE_ROWS, 1), w, ZERO, per, row_stride, inner, channel_stride, conv.kw, weights,
                          packed, to)
            elif per >= ROWS:
                pack_taps(tile(w, ROWS, 1), w, g * per * sums.terms, per, row_stride, inner, channel_stride, conv.kw,
                          weights, packed, to)
            else:
                pack_taps(tile(w, 1, 1), w, g * per * sums.terms, per, row_stride, inner, channel_stride, conv.kw,
                          weights, packed, to)
            to += packed_rows(per) * terms
        at += terms
    return table, packed


def _sums_entry(team, x, y, w, b, has_bias, size, chosen, numbers, backward):
    """Write the outputs of a convolution or, `backward`, with dy for x and dx for y, the gradient for its input."""
    table, packed = _pack(w, Job(*chosen), Conv(*numbers), backward)
    bias = b if has_bias else np.zeros(numbers[1] if backward else numbers[2], w.dtype)
    workers = threads_of(team)
    m = np.empty(workers * size, x.dtype)
    share_out(team, workers, _sums_worker, (workers, x, y, m, size, table, packed, bias, numbers, backward, chosen))


@kernel
def _weight_worker(worker, workers, dy, x, m, scratch, parts, table, numbers, chosen):
    """Make every `workers`-th part of the sums, from `worker` on."""
    L, terms = lanes(x), table.size
    conv, job = Conv(*numbers), Job(*chosen)
    view, _, sums = describe(conv, NO)
    maps, _ = plan_job(view, sums, job, L)
    channel, per, size = maps.high * maps.wide * maps.size, conv.k // conv.groups, conv.k * terms + conv.k
    inner, image, places = conv.c // conv.groups * channel, conv.c * conv.height * conv.width, conv.oh * conv.ow
    count = parts.size // size
    xo = worker * scratch
    do = xo + conv.c * channel + L
    for part in range(worker, count, workers):
        begin, end = share_of(part, count, job.units)
        for unit in range(begin, end):
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


@kernel
def _describe_weight(conv):
    """Describe a weight gradient as `conv_plan.describe` does sums, with the terms of whole tiles."""
    view, target, sums = describe(conv, NO)
    # So many terms that a tile fits; those too many repeat the last.
    terms = max(sums.terms, np.int64(DOT_COLS if conv.k // conv.groups >= ROWS else DOT_ROW_COLS))
    weighed = Sums(sums.n, sums.channels, sums.filters, ONE, sums.rows, sums.cols, terms, ONE, sums.cost, np.int64(8))
    return view, target, sums.terms, weighed


def _plan_weight_entry(like, numbers):
    """Plan the tasks of a weight gradient; return what `_weight_entry` takes: elements of scratch, and the job."""
    L, conv = lanes(like), Conv(*numbers)
    view, _, _, weighed = _describe_weight(conv)
    job = choose_job(view, weighed, NO, L, like.itemsize, _WORKERS)
    maps, line = plan_job(view, weighed, job, L)
    size = conv.k * weighed.terms + conv.k
    scratch = conv.c * maps.high * maps.wide * maps.size + L + (conv.k * line + 1) * L + size
    return scratch, (job.fold_h, job.fold_w, job.samples, job.band, job.bands, job.units)


def _weight_entry(team, dy, x, dw, db, scratch, chosen, numbers):
    """Write the gradients of weights and bias: summed in parts, then in a fixed tree."""
    L, conv, job = lanes(x), Conv(*numbers), Job(*chosen)
    view, target, real, weighed = _describe_weight(conv)
    maps, _ = plan_job(view, weighed, job, L)
    terms = weighed.terms
    table = np.empty(terms, np.int64)
    weights, _ = phase_taps(conv, view, target, ZERO, NO)
    tap_table(view, maps, weights, conv.c // conv.groups, table, ZERO)
    for k in range(real, terms):
        table[k] = table[real - 1]
    parts = np.zeros(max(1, min(job.units, _PARTS)) * (conv.k * terms + conv.k), x.dtype)
    workers = threads_of(team)
    m = np.empty(workers * scratch, x.dtype)
    share_out(team, workers, _weight_worker, (workers, dy, x, m, scratch, parts, table, numbers, chosen))
    _add_parts(parts, terms, dw, db)


@kernel
def _add_parts(parts, terms, dw, db):
    """Sum the parts in a fixed tree, and take out what is not repeated."""
    k = db.size
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
PLAN_SUMS, SUMS = entry(_plan_sums_entry), entry(_sums_entry)
PLAN_WEIGHT, WEIGHT = entry(_plan_weight_entry), entry(_weight_entry)
