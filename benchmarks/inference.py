"""Measure inference in a process of its own: outputs of one network with one library, give a dict for JSON.

fastnn leaves weights and outputs in files; the others start from the weights, and are timed only if their outputs are
equal within rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import jax_worker
import nets
from workers import batches, images_per_second, torch_error

# Difference of outputs, as a share of the largest, that rounding explains.
TOLERANCE = 1e-5


def fastnn_inference(
    net: nets.Net, batch: int, threads: int, images: int, seconds: float, weights: Path
) -> dict[str, Any]:
    """Measure ``model.predict``; leave weights and outputs beside each other."""
    import fastnn as fn
    import fastnn_kernels as fk

    fn.set_num_threads(threads)
    model = nets.build_fastnn(net)
    parts = _parts(net, images, batch)
    np.savez(weights, **model.params)
    np.save(weights.with_suffix(".npy"), model.predict(parts[0]))
    return {"runs": {"fastnn": _timed(model.predict, parts, batch, seconds)}, "config": fk.config()}


def torch_inference(
    net: nets.Net, batch: int, threads: int, images: int, seconds: float, weights: Path, variants: Sequence[str]
) -> dict[str, Any]:
    """Measure PyTorch under ``inference_mode``, one variant after the other."""
    import torch

    torch.set_num_threads(threads)
    with np.load(weights) as archive:
        initial = dict(archive)
    runs: dict[str, Any] = {}
    for variant in variants:
        model, parts = nets.build_torch(net, initial).eval(), [torch.from_numpy(x) for x in _parts(net, images, batch)]
        if variant.endswith("channels_last"):
            if len(net.image) < 3:
                continue
            model = model.to(memory_format=torch.channels_last)
            parts = [x.contiguous(memory_format=torch.channels_last) for x in parts]
        outputs = torch.compile(model) if variant.startswith("compile") else model
        with torch.inference_mode():
            try:
                found = outputs(parts[0]).numpy()
            except Exception as error:
                runs[variant] = torch_error(variant, error)
                continue
            runs[variant] = {
                "difference": checked(variant, found, weights),
                **_timed(outputs, parts, batch, seconds),
            }
    return {"runs": runs}


def jax_inference(net: nets.Net, batch: int, images: int, seconds: float, weights: Path) -> dict[str, Any]:
    """Measure JAX's compiled forward pass."""
    import jax
    import jax.numpy as jnp

    initial = jax_worker.initial_weights(weights)
    forward = jax.jit(lambda w, x: jax_worker.forward(net, w, x))
    parts = [jnp.asarray(jax_worker.images_last(x)) for x in _parts(net, images, batch)]

    def outputs(x: Any) -> Any:
        return forward(initial, x).block_until_ready()

    difference = checked("jax jit", np.asarray(outputs(parts[0])), weights)
    return {"runs": {"jax jit": {"difference": difference, **_timed(outputs, parts, batch, seconds)}}}


def _parts(net: nets.Net, images: int, batch: int) -> list[np.ndarray[Any, Any]]:
    return [x for x, _ in batches(nets.data(net, images), batch)]


def _timed(outputs: Callable[[Any], object], parts: Sequence[Any], batch: int, seconds: float) -> dict[str, float]:
    def every() -> None:
        for part in parts:
            outputs(part)

    return {"images_per_second": images_per_second(every, len(parts) * batch, seconds)}


def checked(variant: str, found: np.ndarray[Any, Any], weights: Path) -> float:
    """Return the largest difference from the outputs of fastnn, as a share of the largest of them.

    Raises
    ------
    SystemExit
        If rounding does not explain it.
    """
    expected = np.load(weights.with_suffix(".npy"))
    difference = float(np.abs(found - expected).max() / np.abs(expected).max())
    if not difference <= TOLERANCE:  # a NaN fails too
        raise SystemExit(f"the outputs of {variant} differ from those of fastnn by {difference:g} of the largest")
    return difference
