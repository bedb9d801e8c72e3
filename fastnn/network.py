"""Network: what a model is before it is trained: layers, parameters, outputs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from fastnn_kernels import _options as options
from fastnn_kernels.memory import Memory

from . import evaluation, feeding, images, inputs, summary
from .engine import Engine
from .initializers import Array
from .layers.base import Layer
from .lowering import initialize, lower


class Network:
    """Layers on a tape, their parameters, and the interpreter that runs them; the first part of `Sequential`."""

    def __init__(
        self,
        layers: Iterable[Layer],
        input_shape: tuple[int, ...],
        *,
        seed: int = 0,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self._describe(layers, input_shape, seed, dtype)
        self._allocate()
        initialize(self._lowered, self._memory, self.seed)

    def _describe(self, layers: Iterable[Layer], input_shape: Any, seed: int, dtype: DTypeLike) -> None:
        """Check the arguments of the constructor and put the layers on a tape."""
        if isinstance(layers, Layer) or not isinstance(layers, Iterable):
            raise TypeError(f"Sequential: layers is {layers!r}, a list of layers is needed")
        self.layers = tuple(layers)
        for k, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                raise TypeError(f"Sequential: layers[{k}] is {layer!r}, a layer is needed")
        if not self.layers:
            raise ValueError("Sequential: layers is empty, at least one layer is needed")
        if not isinstance(input_shape, (tuple, list)) or len(input_shape) not in (1, 3):
            raise ValueError(f"Sequential: input_shape is {input_shape!r}, (C, H, W) or (features,) is needed")
        self.input_shape = tuple(options.integer("Sequential: input_shape", size, 1) for size in input_shape)
        options.seed_words("Sequential", seed)
        self.seed = int(seed)
        self.dtype = inputs.as_dtype(dtype)
        self._class_names: tuple[str, ...] = ()
        self._lowered = lower(self.layers, self.input_shape, self.seed)

    def _allocate(self) -> None:
        """Make the arrays: parameters of zeros, states with their initial values."""
        self._memory = Memory.create(self._lowered.tape, self.dtype)
        self._engine = Engine(self._lowered.tape, self._memory)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, one an output, for those who read the outputs; empty at first; saved with the model."""
        return self._class_names

    @class_names.setter
    def class_names(self, names: Iterable[str]) -> None:
        given = (names,) if isinstance(names, str) or not isinstance(names, Iterable) else tuple(names)
        if not all(isinstance(name, str) for name in given):
            raise TypeError(f"Sequential: class_names is {names!r}, strings are needed")
        if given and (len(given),) != self.output_shape:
            raise ValueError(f"Sequential: class_names has {len(given)} names for outputs of shape {self.output_shape}")
        self._class_names = given

    @property
    def params(self) -> dict[str, Array]:
        """Parameters by name ("conv2d/w", "conv2d/b", "dense_1/w", ...): views that may be written into."""
        return self._memory.views(self._lowered.tape, self._memory.params)

    @property
    def states(self) -> dict[str, Array]:
        """Running statistics by name ("batch_norm/running_mean", ...): views that may be written into."""
        return self._memory.state_views(self._lowered.tape, self._memory.state)

    @property
    def backend(self) -> str:
        """The interpreter: "compiled" or "reference" (NumPy); may be set at any time, nothing is lost."""
        return self._engine.backend

    @backend.setter
    def backend(self, name: str) -> None:
        self._engine.backend = name

    @property
    def compile_seconds(self) -> float:
        """Seconds spent compiling kernels or loading them from the cache; left out of images/s."""
        return self._engine.compile_seconds

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one sample's output."""
        return self._lowered.output.shape

    def summary(self) -> str:
        """Print a table of the layers with output shapes and parameters, and return it."""
        text = summary.table(self._lowered)
        print(text)
        return text

    def predict(self, x: Any, *, batch_size: int | str = 128, steps: int | None = None) -> Array:
        """Return the last layer's output.

        Parameters
        ----------
        x : (N, *input_shape), or an object that gives samples or batches
            As `fit` takes it; targets and weights beside the samples are left.
        batch_size : int or "full"
            Samples computed at once, of arrays and of objects that give samples.
        steps : int, optional
            Batches to take from an object that gives batches; all by default.

        Returns
        -------
        (N, *output_shape) in the model's dtype
        """
        return evaluation.predict(self._engine, feeding.for_predict(self, "predict", x, batch_size, steps))

    # ---- inside

    @property
    def _last_op(self) -> str:
        return self._lowered.tape.forward[-1].op

    def _images(self, function: str, x: Any, name: str = "x", *, staged: bool = False) -> Array:
        return images.check(function, name, x, self.input_shape, self.dtype, staged=staged)

    def _outputs(self, function: str, x: Any, batch_size: int | str) -> Array:
        return evaluation.predict(self._engine, feeding.for_predict(self, function, x, batch_size))
