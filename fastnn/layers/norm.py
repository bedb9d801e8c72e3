"""Normalisation: over the batch, or within each sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from fastnn_kernels import _options as options
from fastnn_kernels.tape import Value

from ..initializers import Constant
from .base import Layer, ModelTape, Owned, Shape, Statistic, Weight


@dataclass(frozen=True)
class Norm(Layer):
    """A layer that normalises, then scales by gamma and shifts by beta; neither takes part in weight decay."""

    _: KW_ONLY
    eps: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(eps=float(options.number(f"{type(self).__name__}: eps", self.eps)))

    def _scale_and_shift(self, shape: Shape) -> Mapping[str, Weight]:
        return {
            "gamma": Weight(shape, Constant(1.0), 1, 1, decay=False),
            "beta": Weight(shape, Constant(0.0), 1, 1, decay=False),
        }

    def _row(self, tape: ModelTape, x: Value, name: str, params: Owned, **attrs: Any) -> Value:
        return tape.add(self.kind, name=name, x=x, **params, eps=self.eps, **attrs)


@dataclass(frozen=True)
class BatchNorm(Norm):
    """Each channel of images (C, H, W), or each of (features,), with mean 0 and variance 1 over the whole batch.

    ``y = gamma * (x - mean) / sqrt(var + eps) + beta`` (Ioffe and Szegedy 2015). Training takes mean and (biased)
    variance of the batch, inference their running values, in `model.states`. A batch must leave more than one value
    a channel; `fit` checks that before it starts, the last batch included (`drop_last=True` leaves it out).

    Parameters
    ----------
    momentum : float
        What a batch counts in the running values, as in PyTorch: ``new = (1 - momentum) * old + momentum * batch``.
        0.1 is what Keras calls 0.9.
    eps : float
        Keeps the divisor from 0.
    trainable : bool
        False keeps gamma and beta as they are. As in PyTorch the layer still normalises by the batch, and its running
        values still move; in Keras it would normalise by the running ones.
    """

    kind: ClassVar[str] = "batch_norm"

    _: KW_ONLY
    momentum: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(momentum=options.fraction("BatchNorm: momentum", self.momentum))

    def weights(self, input_shape: Shape) -> Mapping[str, Weight]:
        """Return gamma and beta (C,)."""
        return self._scale_and_shift(input_shape[:1])

    def states(self, input_shape: Shape) -> Mapping[str, Statistic]:
        """Return running_mean and running_var (C,), the latter unbiased; they start at 0 and 1."""
        channels = input_shape[:1]
        return {"running_mean": Statistic(channels), "running_var": Statistic(channels, initial=1.0)}

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add one row."""
        return self._row(tape, x, name, params, momentum=self.momentum)


@dataclass(frozen=True)
class LayerNorm(Norm):
    """Each sample with mean 0 and variance 1 over its last axes (Ba et al. 2016).

    Parameters
    ----------
    axes : int, optional
        How many of the last axes of a sample are normalised together, each set of them for itself; all by default.
        gamma and beta have their shape.
    eps : float
        Keeps the divisor from 0.
    trainable : bool
        False keeps gamma and beta as they are.
    """

    kind: ClassVar[str] = "layer_norm"

    axes: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.axes is not None:
            self._set(axes=options.integer("LayerNorm: axes", self.axes, 1))

    def weights(self, input_shape: Shape) -> Mapping[str, Weight]:
        """Return gamma and beta."""
        axes = len(input_shape) if self.axes is None else self.axes
        if axes > len(input_shape):
            raise ValueError(f"LayerNorm: axes is {axes}, the input of one sample has shape {input_shape}")
        return self._scale_and_shift(input_shape[-axes:])

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add one row."""
        return self._row(tape, x, name, params)


@dataclass(frozen=True)
class GroupNorm(Norm):
    """Each group of channels of a sample with mean 0 and variance 1 (Wu and He 2018).

    Parameters
    ----------
    groups : int
        Divides the channels.
    eps : float
        Keeps the divisor from 0.
    trainable : bool
        False keeps gamma and beta (C,) as they are.
    """

    kind: ClassVar[str] = "group_norm"

    groups: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(groups=options.integer("GroupNorm: groups", self.groups, 1))

    def weights(self, input_shape: Shape) -> Mapping[str, Weight]:
        """Return gamma and beta (C,)."""
        return self._scale_and_shift(input_shape[:1])

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add one row."""
        return self._row(tape, x, name, params, groups=self.groups)
