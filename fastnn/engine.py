"""The interpreter behind a model: compiled or reference, made at the first call that needs it."""

from __future__ import annotations

import functools
import threading
import time
from typing import Any

import numpy as np

from fastnn_kernels import _options as options
from fastnn_kernels.augmentation import Augmentation
from fastnn_kernels.memory import Memory
from fastnn_kernels.tape import Tape
from fastnn_kernels.update import Update

from .initializers import Array
from .progress import compile_notice

BACKENDS = ("compiled", "reference")


class Engine:
    """Runs a tape on a model's arrays with the backend chosen.

    Attributes
    ----------
    compile_seconds : float
        Time that first calls of the compiled backend took: nearly all of it is compiling or loading kernels.
    """

    def __init__(self, tape: Tape, memory: Memory) -> None:
        self.memory = memory
        self.compile_seconds = 0.0
        self._backend = "compiled"
        self._interpreter: Any = None
        self._called: set[tuple[Any, ...]] = set()
        self._tape = tape
        self._update: Update | None = None
        # The steps of augmentation are handed over in the tape, which all calls share.
        self._lock = threading.RLock()

    def __getstate__(self) -> dict[str, Any]:
        """Leave the interpreter out of copies: each makes its own, for its own arrays."""
        left: dict[str, Any] = {"_interpreter": None, "_called": set(), "_lock": None}
        return vars(self) | left

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=threading.RLock())

    def load(self, tape: Tape, update: Update) -> None:
        """Run this tape, and train with this update, from now on."""
        self._tape, self._update = tape, update
        self._forget()

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one sample's output."""
        return self._tape.output.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The model's dtype, also that of its outputs."""
        return self.memory.params.dtype

    @property
    def backend(self) -> str:
        """The interpreter in use; all state is in the memory, which both share."""
        return self._backend

    @backend.setter
    def backend(self, name: str) -> None:
        self._backend = options.choice("Sequential: backend", name, BACKENDS)
        self._forget()

    def compiles(self, method: str, x: Array, *args: Any, **options: Any) -> bool:
        """Whether such a call may have to compile kernels first: none like it was made yet."""
        return self._backend == "compiled" and self._form(method, x, args, options) not in self._called

    def call(self, method: str, x: Array, *args: Any, quiet: bool = False, **options: Any) -> Any:
        """Call "train", "gradients", "evaluate" or "forward" of the interpreter.

        Options are those of the method, and `augmentation`, the steps that "train" augments by; None is left out.
        """
        options = {name: value for name, value in options.items() if value is not None}
        form = self._form(method, x, args, options) if self._backend == "compiled" else None
        if form is None or form in self._called:
            return self._run(method, x, *args, **options)
        start = time.perf_counter()
        with compile_notice(enabled=not quiet):
            result = self._run(method, x, *args, **options)
        self.compile_seconds += time.perf_counter() - start
        self._called.add(form)
        return result

    def gradients(self, x: Array, y: Array) -> tuple[float, Array]:
        """Return the mean loss and a copy of the flat gradient, which a call of another thread may replace."""
        with self._lock:
            loss, _ = self.call("gradients", x, y)
            return float(loss), self.memory.grads.copy()

    def _run(self, method: str, *args: Any, augmentation: tuple[Augmentation, ...] = (), **options: Any) -> Any:
        with self._lock:
            if self._interpreter is None:
                self._interpreter = self._make()
            self._tape.augmentation = augmentation
            return getattr(self._interpreter, method)(*args, **options)

    def _make(self) -> Any:
        # Imported here: the reference interpreter is there to work without the compiled one.
        if self._backend == "compiled":
            from fastnn_kernels.executor import Executor

            return Executor(self._tape, self.memory, self._update)
        from fastnn_kernels.reference.interpreter import Interpreter

        return Interpreter(self._tape, self.memory, self._update)

    def _forget(self) -> None:
        self._interpreter = None
        self._called.clear()

    def _form(self, method: str, x: Array, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, ...]:
        """Return what the kernels of a call depend on."""
        batch_size = next((value for value in args if isinstance(value, int)), len(x))
        arrays = tuple([(value.dtype, value.ndim) for value in (x, *args) if isinstance(value, np.ndarray)])
        given = [name for name, value in options.items() if value is not None]
        lanes = _block_lanes(batch_size, self.dtype, method in ("train", "gradients"))
        return method, lanes, arrays, options.get("augmentation"), *given


@functools.lru_cache(256)
def _block_lanes(batch_size: int, dtype: np.dtype[Any], training: bool) -> int:
    """Tell how many samples kernels take at once."""
    from fastnn_kernels.lane_blocks import block_lanes

    return block_lanes(batch_size, dtype, training=training)
