"""Augmentation of (N, C, H, W) batches: the same picture for the same (seed, step, sample), on any number of threads.

Sample n draws its random numbers from Philox4x32-10 (`random.py`) with key `seed` and counter (`step`,
``sample_offset + n``, augmentation and `op`): a batch may be cut at any place, and no two augmentations share numbers.
There is no gradient: only the first layer's input is augmented.
"""

import numpy as np

from . import _augmentation as augmentation
from . import _checks as check
from . import _options as options
from . import _threads
from ._arrays import Array, flat_alias
from ._augmentation import Window
from ._jit import entry, kernel
from ._options import Size
from .augment_block import (
    cutout_sample,
    flip_sample,
    mix,
    mixup_partners,
    mixup_share,
    rotate_sample,
    window_sample,
)
from .team import share_out


@kernel
def _flip(s, x, y, channels, height, width, stream, horizontal, vertical, probability):
    key0, key1, op, step, first = stream
    size = channels * height * width
    flip_sample(x, s * size, y, s * size, channels, height, width, key0, key1, op, step, first + s, horizontal,
                vertical, probability)


@kernel
def _window(s, x, y, channels, height, width, stream, oh, ow, places_h, places_w, before_h, before_w, fill):
    key0, key1, op, step, first = stream
    window_sample(x, s * channels * height * width, y, s * channels * oh * ow, channels, height, width, key0, key1, op,
                  step, first + s, oh, ow, places_h, places_w, before_h, before_w, fill)


@kernel
def _rotate(s, x, y, channels, height, width, stream, low, high, fill):
    key0, key1, op, step, first = stream
    size = channels * height * width
    rotate_sample(x, s * size, y, s * size, channels, height, width, key0, key1, op, step, first + s, low, high, fill)


@kernel
def _cutout(s, x, y, channels, height, width, stream, size_h, size_w, fill):
    key0, key1, op, step, first = stream
    size = channels * height * width
    cutout_sample(x, s * size, y, s * size, channels, height, width, key0, key1, op, step, first + s, size_h, size_w,
                  fill)


@kernel
def _mixup(s, x, target, partner, y, mixed, size, classes, stream, alpha):
    key0, key1, op, step, first = stream
    share = mixup_share(key0, key1, op, step, first + s, alpha)
    mix(x, s * size, partner[s] * size, y, s * size, size, share)
    mix(target, s * classes, partner[s] * classes, mixed, s * classes, classes, share)


def _flip_entry(team, x, y, n, channels, height, width, key0, key1, op, step, first, horizontal, vertical, probability):
    stream = (key0, key1, op, step, first)
    share_out(team, n, _flip, (x, y, channels, height, width, stream, horizontal, vertical, probability))


def _window_entry(team, x, y, n, channels, height, width, key0, key1, op, step, first, oh, ow, places_h, places_w,
                  before_h, before_w, fill):
    stream = (key0, key1, op, step, first)
    share_out(team, n, _window, (x, y, channels, height, width, stream, oh, ow, places_h, places_w, before_h, before_w,
                                 fill))


def _rotate_entry(team, x, y, n, channels, height, width, key0, key1, op, step, first, low, high, fill):
    share_out(team, n, _rotate, (x, y, channels, height, width, (key0, key1, op, step, first), low, high, fill))


def _cutout_entry(team, x, y, n, channels, height, width, key0, key1, op, step, first, size_h, size_w, fill):
    share_out(team, n, _cutout, (x, y, channels, height, width, (key0, key1, op, step, first), size_h, size_w, fill))


def _mixup_entry(team, x, target, partner, y, mixed, n, size, classes, key0, key1, op, step, first, alpha):
    mixup_partners(partner, n, key0, key1, op, step, first)
    stream = (key0, key1, op, step, first)
    share_out(team, n, _mixup, (x, target, partner, y, mixed, size, classes, stream, alpha))


FLIP, WINDOW, ROTATE = entry(_flip_entry), entry(_window_entry), entry(_rotate_entry)
CUTOUT, MIXUP = entry(_cutout_entry), entry(_mixup_entry)


def flip(
    x: Array, *, seed: int, step: int, horizontal: bool = True, vertical: bool = False, probability: float = 0.5,
    op: int = 0, sample_offset: int = 0, out: Array | None = None,
) -> Array:
    """Mirror each sample left to right, top to bottom, or both, each with a probability of its own.

    Parameters
    ----------
    x : (N, C, H, W) float32 or float64
    seed : int
        At least 0, below 2**64.
    step : int
        Number of the training step, from 0 to below 2**40.
    horizontal, vertical : bool
        Which directions may be mirrored: the columns, the rows. With both, each is drawn for itself.
    probability : float
        From 0 (never) to 1 (always).
    op : int
        Tells two uses of one augmentation apart, which would otherwise draw the same; below 2**16.
    sample_offset : int
        Position of the first sample in the whole batch, where `x` is a part of it.
    out : (N, C, H, W), dtype of x, optional
        Memory of its own.

    Returns
    -------
    (N, C, H, W), dtype of x

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.
    """
    source = check.float_array("flip", "x", x)
    augmentation.images("flip", source.shape)
    across, down = options.flag("flip: horizontal", horizontal), options.flag("flip: vertical", vertical)
    arguments = across, down, options.fraction("flip: probability", probability)
    stream = augmentation.stream("flip", seed, step, op, sample_offset, len(source))
    y = check.out_array("flip", out, source.shape, source.dtype, inputs=(x,))
    workers = _threads.workers_for(len(y), y.size)
    _threads.launch(FLIP, workers, flat_alias(source), y.reshape(-1), *source.shape, *stream, *arguments)
    return y


def crop(
    x: Array, padding: Size, *, seed: int, step: int, size: Size | None = None, fill: float = 0.0, op: int = 0,
    sample_offset: int = 0, out: Array | None = None,
) -> Array:
    """Pad each sample, and cut a window out at a random place, all places equally likely.

    With ``padding=4`` on 32x32 images this is the usual augmentation of CIFAR-10 (He et al., "Deep residual learning
    for image recognition", CVPR 2016, section 4.2). Without a size it moves images as `shift` does with
    ``max_shift=padding``, but draws other random numbers.

    Parameters
    ----------
    x : (N, C, H, W) float32 or float64
    padding : int or (h, w)
        Pixels added on each side.
    size : int or (h, w), optional
        Size of the window, at most that of the padded images; None is H, W.
    fill : float
        Value of the pixels added.
    seed, step, op, sample_offset
        What the random numbers depend on, as in `flip`.
    out : (N, C, OH, OW), dtype of x, optional
        Memory of its own.

    Returns
    -------
    (N, C, OH, OW), dtype of x
        OH, OW are the size.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.
    """
    source = check.float_array("crop", "x", x)
    window = augmentation.window("crop", "padding", source.shape, padding, size)
    return _cut("crop", source, window, (seed, step, op, sample_offset), fill, x, out)


def shift(
    x: Array, max_shift: Size, *, seed: int, step: int, fill: float = 0.0, op: int = 0, sample_offset: int = 0,
    out: Array | None = None,
) -> Array:
    """Move each sample by whole pixels, down or up and right or left, all distances equally likely.

    Parameters
    ----------
    x : (N, C, H, W) float32 or float64
    max_shift : int or (h, w)
        Longest way: a distance is from ``-max_shift`` to ``max_shift``, both included.
    fill : float
        Value of the pixels that come in from outside.
    seed, step, op, sample_offset
        What the random numbers depend on, as in `flip`.
    out : (N, C, H, W), dtype of x, optional
        Memory of its own.

    Returns
    -------
    (N, C, H, W), dtype of x

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.
    """
    source = check.float_array("shift", "x", x)
    window = augmentation.window("shift", "max_shift", source.shape, max_shift)
    return _cut("shift", source, window, (seed, step, op, sample_offset), fill, x, out)


def _cut(name: str, source: Array, window: Window, drawn: tuple[int, int, int, int], fill: float, x: Array,
         out: Array | None) -> Array:
    value = augmentation.fill_value(name, fill)
    stream = augmentation.stream(name, *drawn, len(source))
    y = check.out_array(name, out, (*source.shape[:2], *window.size), source.dtype, inputs=(x,))
    workers = _threads.workers_for(len(y), y.size)
    _threads.launch(WINDOW, workers, flat_alias(source), y.reshape(-1), *source.shape, *stream, *window.size,
                    *window.places, *window.before, value)
    return y


def rotate(
    x: Array, degrees: float | tuple[float, float], *, seed: int, step: int, fill: float = 0.0, op: int = 0,
    sample_offset: int = 0, out: Array | None = None,
) -> Array:
    """Rotate each sample about its centre by a random angle, counter-clockwise where that is positive.

    Pixel (i, j) stands at its centre, ``(u, v) = (i - (H-1)/2, j - (W-1)/2)`` from the image's. Its value is
    interpolated between the four pixels around ``(cos * u + sin * v, cos * v - sin * u)``; those outside the image are
    `fill`. An angle of 0 leaves the images as they are, and one of 90 is ``np.rot90(x, axes=(2, 3))`` where H = W.
    Places are computed in float64, pixels in the dtype of x. Of a NaN or infinite pixel, all that are interpolated
    from it become NaN or infinite, also where its weight is 0.

    Parameters
    ----------
    x : (N, C, H, W) float32 or float64
    degrees : float or (low, high)
        Range of the angles, from -360 to 360; a number means ``(-degrees, degrees)``. All angles of
        ``low + (high - low) * k / 2**32``, k < 2**32, are equally likely; with low = high there is one.
    fill : float
        Value of the pixels outside the image.
    seed, step, op, sample_offset
        What the random numbers depend on, as in `flip`.
    out : (N, C, H, W), dtype of x, optional
        Memory of its own.

    Returns
    -------
    (N, C, H, W), dtype of x

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.
    """
    source = check.float_array("rotate", "x", x)
    augmentation.images("rotate", source.shape)
    arguments = *augmentation.angles("rotate", degrees), augmentation.fill_value("rotate", fill)
    stream = augmentation.stream("rotate", seed, step, op, sample_offset, len(source))
    y = check.out_array("rotate", out, source.shape, source.dtype, inputs=(x,))
    workers = _threads.workers_for(len(y), 10 * y.size)
    _threads.launch(ROTATE, workers, flat_alias(source), y.reshape(-1), *source.shape, *stream, *arguments)
    return y


def cutout(
    x: Array, size: Size, *, seed: int, step: int, fill: float = 0.0, op: int = 0, sample_offset: int = 0,
    out: Array | None = None,
) -> Array:
    """Hide one rectangle of each sample, in all channels.

    Its centre is any pixel, all equally likely; what lies outside the image is cut off. An even size has its centre in
    the second of the two middle pixels. Source: DeVries and Taylor, "Improved regularization of convolutional neural
    networks with cutout", arXiv:1708.04552, 2017.

    Parameters
    ----------
    x : (N, C, H, W) float32 or float64
    size : int or (h, w)
        Size of the rectangle, at least 1.
    fill : float
        Value written into it.
    seed, step, op, sample_offset
        What the random numbers depend on, as in `flip`.
    out : (N, C, H, W), dtype of x, optional
        Memory of its own.

    Returns
    -------
    (N, C, H, W), dtype of x

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.
    """
    source = check.float_array("cutout", "x", x)
    augmentation.images("cutout", source.shape)
    arguments = *options.pair("cutout: size", size, 1), augmentation.fill_value("cutout", fill)
    stream = augmentation.stream("cutout", seed, step, op, sample_offset, len(source))
    y = check.out_array("cutout", out, source.shape, source.dtype, inputs=(x,))
    workers = _threads.workers_for(len(y), y.size)
    _threads.launch(CUTOUT, workers, flat_alias(source), y.reshape(-1), *source.shape, *stream, *arguments)
    return y


def mixup(
    x: Array, target: Array, alpha: float, *, seed: int, step: int, op: int = 0, sample_offset: int = 0
) -> tuple[Array, Array]:
    """Mix each sample, and its target, with a random other one of the batch.

    ``y = share * x + (1 - share) * x[partner]``, and so the targets; partner is a permutation of the batch, in which a
    sample may keep its place; share is drawn from Beta(alpha, alpha) for each sample (the paper draws one for each
    batch in its code). Source: Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: beyond empirical risk minimization", ICLR
    2018; for Beta(alpha, alpha) of two uniform numbers: Devroye, "Random variate generation in one line of code", 1996.

    Parameters
    ----------
    x : (N, ...) float32 or float64
    target : (N, classes), dtype of x
        Share of each class: one-hot for plain labels.
    alpha : float
        More than 0. Small: nearly every share is close to 0 or 1; 1: all are equally likely; large: close to 1/2.
    seed, step, op, sample_offset
        What the random numbers depend on, as in `flip`. Partners are drawn within `x`: two halves of a batch do not
        give what the whole does.

    Returns
    -------
    y : shape and dtype of x
    mixed_target : (N, classes), dtype of x

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit.
    """
    source, shares = check.float_array("mixup", "x", x), check.float_array("mixup", "target", target)
    check.same_dtype("mixup", x=source, target=shares)
    augmentation.targets("mixup", source.shape, shares.shape)
    parameter = augmentation.beta_parameter("mixup", alpha)
    n, classes = shares.shape
    stream = augmentation.stream("mixup", seed, step, op, sample_offset, n)
    y, mixed = np.empty_like(source, subok=False), np.empty_like(shares, subok=False)
    workers = _threads.workers_for(n, 2 * y.size)
    _threads.launch(MIXUP, workers, flat_alias(source), flat_alias(shares), np.empty(n, np.int64), y.reshape(-1),
                    mixed.reshape(-1), n, y.size // max(1, n), classes, *stream, parameter)
    return y, mixed
