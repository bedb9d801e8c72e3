"""Augmentation of (N, C, H, W) batches.

What is drawn for each sample has functions of its own (`flips`, `corners`, `rotation_angles`, `centres`, `shares`,
`partners`); each takes a stream (`_augmentation.stream`) and the number of samples.
"""

import numpy as np

from .. import _augmentation as augmentation
from .. import _options as options
from .._augmentation import Stream, Window
from .._checks import Array, same_dtype
from .._options import Size
from ._result import result
from .random import Words, below, draw, uniform


def words(stream: Stream, n: int) -> Words:
    """Return the first four random words of each sample, as four arrays (N,)."""
    return draw(stream.key0, stream.key1, stream.op, stream.step, stream.position + np.arange(n), 0)


def flips(stream: Stream, n: int, probability: float) -> tuple[Array, Array]:
    """Draw which samples are mirrored left to right, and which top to bottom."""
    w0, w1, _, _ = words(stream, n)
    return uniform(w0) < probability, uniform(w1) < probability


def flip(
    x: Array, *, seed: int, step: int, horizontal: bool = True, vertical: bool = False, probability: float = 0.5,
    op: int = 0, sample_offset: int = 0, out: Array | None = None,
) -> Array:
    """Mirror each sample left to right, top to bottom, or both, each with a probability of its own.

    Parameters
    ----------
    x : (N, C, H, W)
    seed, step, op : int
        Key of the random numbers, the training step, and a number that tells two uses apart.
    horizontal, vertical : bool
        Which directions may be mirrored.
    probability : float
        From 0 to 1.
    sample_offset : int
        Position of the first sample in the whole batch.

    Raises
    ------
    TypeError, ValueError
        If `x` is not (N, C, H, W), an option or a number of the stream is out of its range, or `out` does not fit.
    """
    augmentation.images("flip", x.shape)
    options.flag("flip: horizontal", horizontal), options.flag("flip: vertical", vertical)
    likely = options.fraction("flip: probability", probability)
    across, down = flips(augmentation.stream("flip", seed, step, op, sample_offset, len(x)), len(x), likely)
    y = x.copy()
    if horizontal:
        y[across] = y[across, :, :, ::-1]
    if vertical:
        y[down] = y[down, :, ::-1, :]
    return result("flip", y, out, x)


def corners(stream: Stream, n: int, window: Window) -> tuple[Array, Array]:
    """Draw the row and the column of the image at which each sample's window starts; below 0 is outside."""
    w0, w1, _, _ = words(stream, n)
    return below(w0, window.places[0]) - window.before[0], below(w1, window.places[1]) - window.before[1]


def cut(x: Array, top: Array, left: Array, window: Window, fill: float) -> Array:
    """Cut a window out of each sample, with `fill` where it is outside the image."""
    n, c, height, width = x.shape
    y = np.full((n, c, *window.size), fill, x.dtype)
    for s in range(n):
        # The part of the window that is on the image, in the window's rows and columns.
        rows = np.arange(window.size[0])
        rows = rows[(rows + top[s] >= 0) & (rows + top[s] < height)]
        columns = np.arange(window.size[1])
        columns = columns[(columns + left[s] >= 0) & (columns + left[s] < width)]
        y[s][:, rows[:, None], columns] = x[s][:, rows[:, None] + top[s], columns + left[s]]
    return y


def crop(
    x: Array, padding: Size, *, seed: int, step: int, size: Size | None = None, fill: float = 0.0, op: int = 0,
    sample_offset: int = 0, out: Array | None = None,
) -> Array:
    """Pad each sample, and cut a window out at a random place, all places equally likely.

    Parameters
    ----------
    x : (N, C, H, W)
    padding : int or (h, w)
        Pixels of value `fill` added on each side.
    size : int or (h, w), optional
        Size of the window; None is H, W.
    seed, step, op, sample_offset
        As in `flip`.

    Raises
    ------
    TypeError, ValueError
        If `x` is not (N, C, H, W), an option or a number of the stream is out of its range, or `out` does not fit.
    """
    window = augmentation.window("crop", "padding", x.shape, padding, size)
    value = augmentation.fill_value("crop", fill)
    top, left = corners(augmentation.stream("crop", seed, step, op, sample_offset, len(x)), len(x), window)
    return result("crop", cut(x, top, left, window, value), out, x)


def shift(
    x: Array, max_shift: Size, *, seed: int, step: int, fill: float = 0.0, op: int = 0, sample_offset: int = 0,
    out: Array | None = None,
) -> Array:
    """Move each sample by whole pixels, at most `max_shift` either way, all distances equally likely.

    Parameters
    ----------
    x : (N, C, H, W)
    max_shift : int or (h, w)
    fill : float
        Value of the pixels that come in from outside.
    seed, step, op, sample_offset
        As in `flip`.

    Raises
    ------
    TypeError, ValueError
        If `x` is not (N, C, H, W), an option or a number of the stream is out of its range, or `out` does not fit.
    """
    # A picture that moves down is a window that starts above it.
    window = augmentation.window("shift", "max_shift", x.shape, max_shift)
    value = augmentation.fill_value("shift", fill)
    top, left = corners(augmentation.stream("shift", seed, step, op, sample_offset, len(x)), len(x), window)
    return result("shift", cut(x, top, left, window, value), out, x)


def rotation_angles(stream: Stream, n: int, low: float, high: float) -> Array:
    """Draw an angle in degrees for each sample."""
    return low + (high - low) * uniform(words(stream, n)[0])


def cosine_and_sine(degrees: Array) -> tuple[Array, Array]:
    """Return cosine and sine, exact at multiples of 90: what is left beyond the nearest one is at most 45."""
    quarter = np.floor(degrees / 90 + 0.5)
    rest = (degrees - 90 * quarter) * (np.pi / 180)
    turned = [np.cos(rest), -np.sin(rest), -np.cos(rest), np.sin(rest)]
    turns = quarter.astype(int) % 4
    return np.choose(turns, turned), np.choose((turns + 3) % 4, turned)


def rotate(
    x: Array, degrees: float | tuple[float, float], *, seed: int, step: int, fill: float = 0.0, op: int = 0,
    sample_offset: int = 0, out: Array | None = None,
) -> Array:
    """Rotate each sample about its centre by a random angle, counter-clockwise where that is positive.

    Pixel (i, j) is interpolated between the four pixels around the point it comes from: its place, seen from the
    centre of the image, turned back by the angle.

    Parameters
    ----------
    x : (N, C, H, W)
    degrees : float or (low, high)
        Range of the angles, from -360 to 360; a number means (-degrees, degrees).
    fill : float
        Value of the pixels outside the image.
    seed, step, op, sample_offset
        As in `flip`.

    Raises
    ------
    TypeError, ValueError
        If `x` is not (N, C, H, W), an option or a number of the stream is out of its range, or `out` does not fit.
    """
    augmentation.images("rotate", x.shape)
    low, high = augmentation.angles("rotate", degrees)
    value = augmentation.fill_value("rotate", fill)
    n, _, height, width = x.shape
    angles = rotation_angles(augmentation.stream("rotate", seed, step, op, sample_offset, n), n, low, high)
    cos, sin = (a[:, None, None] for a in cosine_and_sine(angles))
    u = np.arange(height)[:, None] - (height - 1) / 2
    v = np.arange(width) - (width - 1) / 2
    h = (height - 1) / 2 + cos * u + sin * v
    w = (width - 1) / 2 + cos * v - sin * u
    row, column = np.floor(h).astype(int), np.floor(w).astype(int)
    down, right = (h - row)[:, None], (w - column)[:, None]

    def pixels(rows: Array, columns: Array) -> Array:
        """Pixels of each sample at its (H, W) rows and columns, `fill` outside the image."""
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        sample, channel = np.arange(n)[:, None, None, None], np.arange(x.shape[1])[:, None, None]
        nearest = np.clip(rows, 0, height - 1)[:, None], np.clip(columns, 0, width - 1)[:, None]
        return np.where(inside[:, None], x[sample, channel, *nearest], value)

    a, b = pixels(row, column), pixels(row, column + 1)
    c, d = pixels(row + 1, column), pixels(row + 1, column + 1)
    upper, lower = a + right * (b - a), c + right * (d - c)
    y = upper + down * (lower - upper)
    return result("rotate", y.astype(x.dtype), out, x)


def centres(stream: Stream, n: int, height: int, width: int) -> tuple[Array, Array]:
    """Draw a pixel, row and column, for each sample."""
    w0, w1, _, _ = words(stream, n)
    return below(w0, height), below(w1, width)


def cutout(
    x: Array, size: Size, *, seed: int, step: int, fill: float = 0.0, op: int = 0, sample_offset: int = 0,
    out: Array | None = None,
) -> Array:
    """Hide one rectangle of each sample, in all channels: about a random pixel, cut off at the border.

    Parameters
    ----------
    x : (N, C, H, W)
    size : int or (h, w)
        At least 1. Of an even size, the centre is the second of the two middle pixels.
    fill : float
        Value written into the rectangle.
    seed, step, op, sample_offset
        As in `flip`.

    Raises
    ------
    TypeError, ValueError
        If `x` is not (N, C, H, W), an option or a number of the stream is out of its range, or `out` does not fit.
    """
    augmentation.images("cutout", x.shape)
    high, wide = options.pair("cutout: size", size, 1)
    value = augmentation.fill_value("cutout", fill)
    n, _, height, width = x.shape
    row, column = centres(augmentation.stream("cutout", seed, step, op, sample_offset, n), n, height, width)
    y = x.copy()
    for s in range(n):
        top, left = row[s] - high // 2, column[s] - wide // 2
        y[s, :, max(top, 0) : max(top + high, 0), max(left, 0) : max(left + wide, 0)] = value
    return result("cutout", y, out, x)


def shares(stream: Stream, n: int, alpha: float) -> Array:
    """Draw a number from Beta(alpha, alpha) for each sample: (1 + t / sqrt(1 + t^2)) / 2.

    Here t = sqrt(1/p - 1) * cos(2 pi v), p = u^(1 / alpha), with u and v uniform; sqrt(2 alpha) * t has Student's
    distribution of 2 alpha degrees of freedom (Bailey 1994). Written so that nothing overflows where p is near 0.
    """
    w0, w1, _, _ = words(stream, n)
    p = (1 - uniform(w0)) ** (1 / alpha)
    c = np.cos(2 * np.pi * uniform(w1))
    return np.asarray(0.5 * (1 + c * np.sqrt((1 - p) / (p + (1 - p) * c**2))))


def partners(stream: Stream, n: int) -> Array:
    """Draw a permutation of the samples: each, from the last on, changes places with one up to itself."""
    _, _, w2, _ = words(stream, n)
    partner = np.arange(n)
    for i in range(n - 1, 0, -1):
        j = below(w2[i], i + 1)
        partner[i], partner[j] = partner[j], partner[i]
    return partner


def mixup(
    x: Array, target: Array, alpha: float, *, seed: int, step: int, op: int = 0, sample_offset: int = 0
) -> tuple[Array, Array]:
    """Mix each sample, and its target, with a random other one: share * x + (1 - share) * x[partner].

    Parameters
    ----------
    x : (N, ...)
    target : (N, classes)
        Share of each class.
    alpha : float
        More than 0; the samples' shares are drawn from Beta(alpha, alpha).
    seed, step, op, sample_offset
        As in `flip`.

    Returns
    -------
    y : (N, ...)
    mixed_target : (N, classes)

    Raises
    ------
    TypeError, ValueError
        If dtypes or shapes of `x` and `target` do not fit, or a number is out of its range.
    """
    same_dtype("mixup", x=x, target=target)
    augmentation.targets("mixup", x.shape, target.shape)
    parameter = augmentation.beta_parameter("mixup", alpha)
    n = len(x)
    stream = augmentation.stream("mixup", seed, step, op, sample_offset, n)
    mine, other = shares(stream, n, parameter), partners(stream, n)
    if x.dtype.kind == "f":
        mine = mine.astype(x.dtype)

    def mixed(values: Array) -> Array:
        share = mine.reshape(n, *[1] * (values.ndim - 1))
        return share * values + (1 - share) * values[other]

    return mixed(x), mixed(target)
