"""Limits: gradients clipped by value or by their global norm, weights kept in a ball."""

from math import sqrt

import numpy as np
from numba.core.errors import TypingError

from . import _checks as check
from . import _threads
from ._arrays import Array
from ._jit import entry, kernel
from ._public import ALONE, check_floats, inside, is_missing
from ._update_checks import limit as limit_above_0
from ._update_checks import unit_layout
from .clip_block import UNITS, clip_block, clip_factor, max_norm_block, scale_block, sum_of_squares
from .optimizer import launch_update, part
from .reduction import tree_sum
from .team import share_out, threads_of

# Elements whose squares one task adds up.
_CHUNK = 8192


@kernel
def _clip_part(index, parts, g, limit):
    i, size = part(index, parts, g.size)
    clip_block(g, i, size, limit)


@kernel
def _sum_chunk(c, g, sums):
    sums[c] = sum_of_squares(g, c * _CHUNK, min(_CHUNK, g.size - c * _CHUNK))


@kernel
def _scale_part(index, parts, g, factor):
    i, size = part(index, parts, g.size)
    scale_block(g, i, size, factor)


@kernel
def _limit_units(task, w, outer, units, inner, limit):
    max_norm_block(w, 0, outer, units, inner, task * UNITS, min(units, (task + 1) * UNITS), limit)


def _clip_value_entry(team, g, limit):
    parts = threads_of(team)
    share_out(team, parts, _clip_part, (parts, g, limit))


def _clip_norm_entry(team, g, limit):
    """Return the norm: the chunks' sums are added by the tree, hence the same bits for any number of threads."""
    chunks, parts = -(-g.size // _CHUNK), threads_of(team)
    sums = np.zeros(max(1, chunks))
    share_out(team, chunks, _sum_chunk, (g, sums))
    tree_sum(sums, 0, 1, chunks, 1)
    norm = sqrt(sums[0])
    factor = clip_factor(norm, limit)
    if factor != 1.0:
        share_out(team, parts, _scale_part, (parts, g, factor))
    return norm


def _max_norm_entry(team, w, outer, units, inner, limit):
    share_out(team, -(-units // UNITS), _limit_units, (w, outer, units, inner, limit))


_clip_value, _clip_norm, _max_norm = entry(_clip_value_entry), entry(_clip_norm_entry), entry(_max_norm_entry)


def clip_by_value(grads: Array, limit: float) -> None:
    """Clip every element to [-limit, limit], in place; NaN stays NaN.

    Parameters
    ----------
    grads : (size,) float32 or float64
        Changed in place.
    limit : float
        Above 0.

    Raises
    ------
    TypeError, ValueError
        If `grads` is no flat, contiguous, writeable float array, or `limit` is not above 0.
    """
    gradient = check.in_place_array("clip_by_value", "grads", grads, 1)
    bound = float(limit_above_0("clip_by_value", limit))
    launch_update(_clip_value, gradient, bound)


def clip_by_global_norm(grads: Array, limit: float) -> float:
    """Scale all gradients by ``min(1, limit / (norm + 1e-6))``, in place, and return their norm before that.

    The norm is ``sqrt(sum(grads**2))``, summed in float64, with the same bits for any number of threads. A NaN
    makes every element NaN; with an infinite element, all finite ones become 0. Source: Pascanu et al. (2013),
    with the formula of PyTorch's ``clip_grad_norm_``.

    Parameters
    ----------
    grads : (size,) float32 or float64
        All gradients, one behind the other; changed in place.
    limit : float
        The largest norm that is left, above 0.

    Returns
    -------
    float
        The norm before clipping.

    Raises
    ------
    TypeError, ValueError
        If `grads` is no flat, contiguous, writeable float array, or `limit` is not above 0.
    """
    gradient = check.in_place_array("clip_by_global_norm", "grads", grads, 1)
    bound = float(limit_above_0("clip_by_global_norm", limit))
    return float(launch_update(_clip_norm, gradient, bound))


def max_norm(w: Array, limit: float, *, axis: int | None = None) -> None:
    """Scale the weights of each unit that is longer than `limit` back to that length, in place.

    A unit is what makes one output: a column of dense weights, a filter of a convolution. With ``norm =
    sqrt(sum(unit**2))``, ``unit *= limit / norm`` where norm > limit. A unit inside the ball keeps its exact bits,
    and so does one with a NaN. To be called after the update. Source: Srivastava et al. (2014), section 5.1.

    Parameters
    ----------
    w : (n_in, n_out), (C_out, C_in, KH, KW), or any other shape with `axis`; float32 or float64
        Changed in place.
    limit : float
        The radius of the ball, above 0.
    axis : int, optional
        The axis of the outputs: 1 for two axes, 0 for four unless given. That of ``conv_transpose2d``'s weights is
        1, and with groups each group's part of `w` has units of its own: a call for each.

    Raises
    ------
    TypeError, ValueError
        If `w` is no contiguous, writeable float array, its number of axes needs `axis`, or a number is out of range.
    """
    weights = check.in_place_array("max_norm", "w", w)
    outer, units, inner = unit_layout("max_norm", weights.shape, axis)
    bound = float(limit_above_0("max_norm", limit))
    workers = _threads.workers_for(-(-units // UNITS), 10 * weights.size)
    _threads.launch(_max_norm, workers, weights.reshape(-1), outer, units, inner, bound)


@kernel
def _check_limit(limit):
    """Check in compiled code; NaN fails every comparison."""
    if not 0.0 < limit < np.inf:
        raise ValueError("limit: a number above 0 is needed")


@inside(clip_by_value)
def _clip_by_value_inside(grads, limit):
    check_floats("clip_by_value", in_place=(grads,))

    def call(grads, limit):
        _check_limit(limit)
        _clip_value(ALONE, grads, float(limit))

    return call


@inside(clip_by_global_norm)
def _clip_by_global_norm_inside(grads, limit):
    check_floats("clip_by_global_norm", in_place=(grads,))

    def call(grads, limit):
        _check_limit(limit)
        return _clip_norm(ALONE, grads, float(limit))

    return call


@kernel
def _max_norm_axis(w, limit, axis):
    _check_limit(limit)
    if not -w.ndim <= axis < w.ndim:
        raise ValueError("max_norm: w does not have that axis")
    place = axis % w.ndim
    outer, inner = 1, 1
    for k in range(w.ndim):
        if k < place:
            outer *= w.shape[k]
        elif k > place:
            inner *= w.shape[k]
    _max_norm(ALONE, w.reshape(-1), outer, w.shape[place], inner, limit)


@inside(max_norm)
def _max_norm_inside(w, limit, axis=None):
    check_floats("max_norm", in_place=(w,), flat=False)
    if not is_missing(axis):
        return lambda w, limit, axis=None: _max_norm_axis(w, float(limit), np.int64(axis))
    if w.ndim not in (2, 4):
        raise TypingError(f"max_norm: w has {w.ndim} axes; without axis it must have 2 or 4")
    default = 1 if w.ndim == 2 else 0
    return lambda w, limit, axis=None: _max_norm_axis(w, float(limit), np.int64(default))
