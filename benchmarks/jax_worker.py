"""Measure JAX in a process of its own: a compiled step at a time, and an epoch in one `lax.scan`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import nets
from workers import CURVE_STEPS, batches, images_per_second

# Of layers one behind the other; the others would be compared with nothing that anybody wrote for JAX.
LAYERS = (nets.Conv, nets.Pool, nets.Dense)
VARIANTS = ("jax jit", "jax scan")
# Batches that are gone through a step at a time: an epoch of a tiny net has a hundred thousand.
STEPS = 500


def can_run(net: nets.Net) -> bool:
    """Whether the network is made of layers that are written here."""
    return all(isinstance(layer, LAYERS) for layer in net.layers)


def jax_worker(
    net: nets.Net, batch: int, images: int, seconds: float, weights: Path, variants: list[str]
) -> dict[str, Any]:
    """Measure JAX, from the weights in the file `weights`."""
    import jax
    import jax.numpy as jnp

    x, y = nets.data(net, images)
    x = images_last(x)
    whole = len(x) // batch
    every = tuple(jnp.asarray(a[: whole * batch].reshape(whole, batch, *a.shape[1:])) for a in (x, y))
    parts = [tuple(map(jnp.asarray, part)) for part in batches((x, y), batch, min(whole, STEPS))]
    step = _make_step(net)
    compiled = jax.jit(step, donate_argnums=0)
    scanned = jax.jit(lambda state, every: jax.lax.scan(step, state, every), donate_argnums=0)

    def by_steps(state: Any) -> Any:
        losses = []
        for part in parts:
            state, loss = compiled(state, part)
            losses.append(loss)
        return state, losses

    def at_once(state: Any) -> Any:
        return scanned(state, every)

    runs = {}
    for name, epoch, count in zip(VARIANTS, (by_steps, at_once), (len(parts), whole), strict=True):
        if name in variants:
            runs[name] = _measured(epoch, _start(initial_weights(weights)), count * batch, seconds)
    return {"runs": runs}


def _measured(epoch: Callable[[Any], Any], state: Any, images: int, seconds: float) -> dict[str, Any]:
    """Time an epoch; the losses are those of its own first one."""
    import jax

    state, losses = epoch(state)
    curve = [float(loss) for loss in losses[:CURVE_STEPS]]

    def again() -> None:
        nonlocal state
        state, _ = epoch(state)
        jax.block_until_ready(state)

    return {"losses": curve, "images_per_second": images_per_second(again, images, seconds)}


def initial_weights(weights: Path) -> list[Any]:
    """Read the weights that fastnn has left, with the channels of convolutions last."""
    import jax.numpy as jnp

    with np.load(weights) as archive:
        found = [archive[name] for name in archive.files]
    return [jnp.asarray(w.transpose(2, 3, 1, 0) if w.ndim == 4 else w) for w in found]


def images_last(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Copy images with their channels last; what is no image stays."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if x.ndim == 4 else x


def _start(weights: list[Any]) -> Any:
    """Weights, both moments and the number of steps that are done."""
    import jax.numpy as jnp

    return weights, [jnp.zeros_like(w) for w in weights], [jnp.zeros_like(w) for w in weights], jnp.zeros((), jnp.int32)


def _make_step(net: nets.Net) -> Any:
    """Make ``step(state, (images, labels)) -> (state, loss)``, with Adam as the others have it."""
    import jax
    import jax.numpy as jnp

    def loss_of(weights: list[Any], images: Any, labels: Any) -> Any:
        scores = jax.nn.log_softmax(forward(net, weights, images))
        return -jnp.take_along_axis(scores, labels[:, None], axis=1).mean()

    def step(state: Any, part: Any) -> Any:
        weights, first, second, count = state
        loss, gradients = jax.value_and_grad(loss_of)(weights, *part)
        count = count + 1
        first = [0.9 * m + 0.1 * g for m, g in zip(first, gradients, strict=True)]
        second = [0.999 * v + 0.001 * g * g for v, g in zip(second, gradients, strict=True)]
        rate, scale = 1e-3 / (1 - 0.9**count), 1 / (1 - 0.999**count)
        weights = [w - rate * m / (jnp.sqrt(v * scale) + 1e-8) for w, m, v in zip(weights, first, second, strict=True)]
        return (weights, first, second, count), loss

    return step


def forward(net: nets.Net, weights: list[Any], x: Any) -> Any:
    """Give the scores of images with channels last."""
    import jax
    from jax import lax

    left = iter(weights)
    for layer in net.layers:
        if isinstance(layer, nets.Conv):
            pad = [(layer.pad, layer.pad)] * 2
            x = lax.conv_general_dilated(
                x, next(left), (layer.stride, layer.stride), pad, dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            x = x + next(left)
        elif isinstance(layer, nets.Pool):
            x = lax.reduce_window(x, -np.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        else:
            if x.ndim == 4:  # the features in the order of the others
                x = x.transpose(0, 3, 1, 2).reshape(len(x), -1)
            x = x @ next(left) + next(left)
        if getattr(layer, "relu", isinstance(layer, nets.Dense) and layer is not net.layers[-1]):
            x = jax.nn.relu(x)
    return x
