"""Numbers of Winograd's algorithm along rows: its points, and the matrices of its transforms.

Of polynomials it is this (A. Toom, 1963; S. Cook, 1966): d, of n coefficients, is the product of g, a row of the
kernel, and y; its values at n points tell it, and each is a product of one value of g and one of y. A convolution
along a row is the transpose of that: F(m, r) makes m outputs of r weights as ``A' [(G g) * (B' d)]``, from columns
d, n = m + r - 1 of them, with n products for m * r.

The points are 0, pairs a and -a, and infinity. Of what belongs to a pair the sum and the difference ("halves") are
polynomials in the square of a: so are the rows of all matrices here.
"""

import functools
from typing import NamedTuple

# Points with small errors whose powers float32 holds exactly. Of normal random numbers and 30 channels the outputs have
# errors of 0.67e-7 of the largest (root mean square, F(2, 5)) and 1.17e-7 (F(4, 5)), direct sums 0.53e-7; with the
# usual points 1, 2 it is 0.8e-7, with 1/2, 1, 2 1.2e-7.
_PAIRS = {6: (0.75, 1.5), 8: (0.5, 1.0, 1.75)}
COUNTS = tuple(_PAIRS)

Row = tuple[float, ...]


class Points(NamedTuple):
    """Matrices for `count` points.

    Attributes
    ----------
    pairs : (pairs,)
        The positive points.
    ends : (pairs + 1,)
        Coefficients of the polynomial with all pairs as roots, in squares, lowest first: B' for the points 0, from
        column 0, and infinity, from column 1, each second column.
    others : (pairs, pairs)
        For each pair the same of all other pairs: B' for its halves, from column 2 the even one, and from column 1 the
        odd one, which is multiplied by the pair.
    scales : (count,)
        What G multiplies the value of g at a point by: 1 over the product of its distances to the others.
    """

    pairs: Row
    ends: Row
    others: tuple[Row, ...]
    scales: Row


def _roots(squares: Row) -> Row:
    """Coefficients, lowest first, of the polynomial with these roots and leading coefficient 1."""
    coefficients = [1.0]
    for root in squares:
        shifted = [0.0, *coefficients]
        coefficients = [a - root * b for a, b in zip(shifted, [*coefficients, 0.0], strict=True)]
    return tuple(coefficients)


@functools.cache
def points_of(count: int) -> Points:
    """Return the matrices for `count` points."""
    pairs = _PAIRS[count]
    squares = tuple(a * a for a in pairs)
    ends = _roots(squares)
    others = tuple(_roots(tuple(s for s in squares if s != a * a)) for a in pairs)
    scales = [1.0 / ends[0]]
    for a, other in zip(pairs, others, strict=True):
        scales += [0.5 / (a * a * sum(c * (a * a) ** k for k, c in enumerate(other)))] * 2
    return Points(pairs, ends, others, (*scales, 1.0))


def output_rows(count: int, m: int) -> list[Row]:
    """Return ``A'`` by halves: for each output the factors of 0, of both halves of each pair, and of infinity."""
    rows = []
    for i in range(m):
        halves = [factor for a in points_of(count).pairs for factor in ((a**i, 0.0) if i % 2 == 0 else (0.0, a**i))]
        rows.append((float(i == 0), *halves, float(i == m - 1)))
    return rows


def column_rows(count: int) -> list[Row]:
    """Return B by halves, for each column."""
    points, rows = points_of(count), []
    for j in range(count):
        k, odd = divmod(j, 2)
        halves: list[float] = []
        for a, other in zip(points.pairs, points.others, strict=True):
            # Zeros on either side: the halves start behind column 0 and end before the last one.
            padded = (0.0, *other, 0.0)
            halves += (0.0, a * padded[k + 1]) if odd else (padded[k], 0.0)
        end = points.ends[k]
        rows.append((0.0, *halves, end) if odd else (end, *halves, 0.0))
    return rows
