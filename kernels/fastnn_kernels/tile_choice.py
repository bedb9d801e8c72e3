"""Which register tile a product runs with: pure functions of its sizes, so the same for any number of threads."""

import functools

# Widths that are compiled. Every pair of them is a function of its own, compiled when a model first needs it.
_ROWS = (1, 2, 3, 4, 6, 8, 12, 16)
_COLS = (1, 2, 3, 4, 5, 6, 7, 8)
# Bytes of a strip of maps that a weight gradient goes over again and again: most of a small first-level cache.
STRIP_BYTES = 24 * 2**10
# Bytes of its tiles that wait from strip to strip: a part of the second-level cache.
SUMS_BYTES = 640 * 2**10


def _cover(size: int, width: int) -> int:
    return -(-size // width)


@functools.cache
def product_tile(rows: int, cols: int, steps: int, limit: int) -> tuple[int, int]:
    """Tile of (rows, cols) for a product of `rows` x `cols` vectors over `steps` terms.

    The cost of a tile is its multiply-adds, at least ten a step (the latency of a multiply-add times the units),
    some loads, and what starting and storing it takes; tiles that do not divide the map count their overlap.
    Measured on Zen 4 (AVX-512): 12 to 18 accumulators run at 85-95% of the peak, 24 at 80%, 28 at 40%.
    A depthwise convolution has one row and takes up to 8 columns: 3x3 on 16 maps of 14x14, float32, on a busy Zen 4,
    ran at 105, 72 and 50-70 GFLOP/s (forward, input gradient, weight gradient), with one group at 117, 121 and 115.
    """
    best, best_cost = (1, 1), float("inf")
    for r in (r for r in _ROWS if r <= rows):
        for c in (c for c in _COLS if c <= cols and r * c <= limit):
            crowded = 1.08 if r * c > 18 else 1.0
            step = max(r * c * crowded, 10.0) + 0.25 * (r + c)
            cost = _cover(rows, r) * _cover(cols, c) * (steps * step + 1.5 * r * c + 15)
            if cost < best_cost:
                best, best_cost = (r, c), cost
    return best


@functools.cache
def input_gradient_tile(channels: int, width: int, taps: int, steps: int, limit: int) -> tuple[int, int]:
    """Tile of (channels, columns) for an input gradient: narrow tiles waste fewer taps beyond the map's border."""
    best, best_cost = (1, 1), float("inf")
    for r in (r for r in _ROWS if r <= channels):
        for c in (c for c in _COLS if c <= width and r * c <= limit):
            crowded = 1.08 if r * c > 18 else 1.0
            step = max(r * c * crowded, 10.0) + 0.25 * (r + c)
            # Taps that each tile of columns runs, clipped at the left border; the right one is its mirror image.
            tiles = _cover(width, c)
            run = sum(min(taps, t * c + c) if t * c < taps else taps for t in range(tiles))
            cost = _cover(channels, r) * (run * steps * step + tiles * (1.5 * r * c + 15))
            if cost < best_cost:
                best, best_cost = (r, c), cost
    return best


@functools.cache
def row_tile(rows: int, cols: int, limit: int) -> tuple[int, int] | None:
    """Tile of (rows, cols), all of `cols`, with few rows computed twice; None where `cols` do not fit.

    More accumulators pay as long as they fit: a row's vectors are loaded once for all of its multiply-adds, and a
    sum over lanes is taken of many at once.
    """
    fitting = [r for r in _ROWS if r <= rows and r * cols <= limit]
    return (min(fitting, key=lambda r: (_cover(rows, r) * max(r * cols, 10), -r)), cols) if fitting else None


@functools.cache
def column_tile(rows: int, limit: int) -> int:
    """Rows of a tile of one column: more than a multiply-add's latency needs, and few computed twice.

    Of what costs nearly the same the tallest, so that layers share a kernel: one takes 0.5 s to compile.
    """
    costs = {r: _cover(rows, r) * max(r, 8) for r in (1, 2, 4, 6, 8, 10, 12) if r <= min(rows, limit)}
    return max(r for r, cost in costs.items() if cost <= 1.04 * min(costs.values()))
