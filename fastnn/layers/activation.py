"""Activations: layers of their own, and by name inside Conv2D and Dense."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from fastnn_kernels import _options as options
from fastnn_kernels.tape import Value

from ..initializers import Initializer
from ..initializers import get as get_initializer
from .base import Layer, ModelTape, Owned


@dataclass(frozen=True)
class Activation(Layer):
    """A function of each element, or of each sample's classes; `kind` is also the op's name."""

    # The initializer of the weights in front, where none is given: he for the relu family and its smooth
    # relatives, as half of their inputs are lost or small.
    w_init: ClassVar[str] = "glorot_uniform"

    @property
    def attrs(self) -> dict[str, Any]:
        """The op's attributes."""
        return {}

    def lower(self, tape: ModelTape, x: Value, *, name: str, params: Owned) -> Value:
        """Add one row."""
        return tape.add(self.kind, name=name, x=x, **self.attrs)


@dataclass(frozen=True)
class Step(Activation):
    """1 where x > 0, else 0; nothing in front of it learns, as its derivative is 0."""

    kind = "step"


@dataclass(frozen=True)
class Identity(Activation):
    """The input as it is."""

    kind = "identity"


@dataclass(frozen=True)
class Sigmoid(Activation):
    """1 / (1 + exp(-x))."""

    kind = "sigmoid"


@dataclass(frozen=True)
class Tanh(Activation):
    """The hyperbolic tangent."""

    kind = "tanh"


@dataclass(frozen=True)
class ReLU(Activation):
    """max(x, 0); derivative 0 at 0."""

    kind = "relu"
    w_init = "he_normal"


@dataclass(frozen=True)
class LeakyReLU(Activation):
    """x where x > 0 and negative_slope * x elsewhere.

    Parameters
    ----------
    negative_slope : float
        At least 0.
    """

    kind = "leaky_relu"
    w_init = "he_normal"

    _: KW_ONLY
    negative_slope: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(negative_slope=float(options.number("LeakyReLU: negative_slope", self.negative_slope)))

    @property
    def attrs(self) -> dict[str, Any]:
        """The slope."""
        return {"negative_slope": self.negative_slope}


@dataclass(frozen=True)
class ELU(Activation):
    """x where x > 0 and alpha * (exp(x) - 1) elsewhere (Clevert et al. 2016).

    Parameters
    ----------
    alpha : float
        At least 0.
    """

    kind = "elu"
    w_init = "he_normal"

    _: KW_ONLY
    alpha: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(alpha=float(options.number("ELU: alpha", self.alpha)))

    @property
    def attrs(self) -> dict[str, Any]:
        """Alpha."""
        return {"alpha": self.alpha}


@dataclass(frozen=True)
class GELU(Activation):
    """x times the normal distribution function (Hendrycks and Gimpel 2016).

    Parameters
    ----------
    approximate : "none" or "tanh"
        "tanh" for the form with a tanh.
    """

    kind = "gelu"
    w_init = "he_normal"

    _: KW_ONLY
    approximate: str = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        options.choice("GELU: approximate", self.approximate, ("none", "tanh"))

    @property
    def attrs(self) -> dict[str, Any]:
        """The form."""
        return {"approximate": self.approximate}


@dataclass(frozen=True)
class SiLU(Activation):
    """x * sigmoid(x), also called swish."""

    kind = "silu"
    w_init = "he_normal"


@dataclass(frozen=True)
class Softplus(Activation):
    """log(1 + exp(x))."""

    kind = "softplus"


@dataclass(frozen=True)
class Softmax(Activation):
    """exp(x) / sum of exp(x) over the classes (the first axis of a sample).

    Leave it out in front of the loss "softmax_cross_entropy", which takes logits.
    """

    kind = "softmax"


@dataclass(frozen=True)
class LogSoftmax(Activation):
    """Logarithm of the softmax over the classes (the first axis of a sample)."""

    kind = "log_softmax"


_NAMED = {
    cls.kind: cls
    for cls in (
        Step, Identity, Sigmoid, Tanh, ReLU, LeakyReLU, ELU, GELU, SiLU, Softplus, Softmax, LogSoftmax,
    )
}  # fmt: skip


def get(name: str, activation: str | Activation | None) -> Activation | None:
    """Find an activation by name, or take the layer given; `name` is the argument's, for the message."""
    if activation is None or isinstance(activation, Activation):
        return activation
    return _NAMED[options.choice(name, activation, tuple(_NAMED))]()


def weight_initializer(name: str, w_init: str | Initializer | None, activation: Activation | None) -> Initializer:
    """Choose the weights' initializer: the one given, else the one that suits the fused activation."""
    default = Activation.w_init if activation is None else activation.w_init
    return get_initializer(name, default if w_init is None else w_init)
