"""The same works in PyTorch, where it is installed: each of its fastest ways to do one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .work import Array, Work


def torch_calls(work: Work, args: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Return callables that do the work on copies of these arguments, by the name of their layout.

    Convolutions and pools in PyTorch's two layouts; gradients and losses as the functions that its autograd calls, so
    that no time goes to its graph.

    Raises
    ------
    ImportError
        Without PyTorch.
    """
    import torch

    layouts = {"contiguous": torch.contiguous_format}
    if "conv" in work.kernel or "pool" in work.kernel or "norm" in work.kernel:
        layouts["channels_last"] = torch.channels_last
    calls = {}
    for name, layout in layouts.items():

        def tensor(array: Array, layout: Any = layout) -> Any:
            made = torch.from_numpy(array.copy())
            return made.contiguous(memory_format=layout) if made.ndim == 4 else made

        calls[name] = _MAKERS[work.kernel](torch, tensor, args, options)
    return calls


def as_ours(work: Work, returned: Any) -> list[Array]:
    """Bring what such a call returns into the form of the kernel's results."""
    # Gradients that were not asked for are None.
    parts = [t.numpy() for t in (returned if isinstance(returned, tuple | list) else (returned,)) if t is not None]
    if work.kernel == "im2col":
        return [parts[0].transpose(1, 0, 2).reshape(parts[0].shape[1], -1)]
    return parts


def _conv(torch: Any, tensor: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Callable[[], Any]:
    x, w, b = map(tensor, args)
    return lambda: torch.nn.functional.conv2d(x, w, b, **options)


def _conv_backward(mask: list[bool]) -> Callable[..., Callable[[], Any]]:
    def make(torch: Any, tensor: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Callable[[], Any]:
        dy = tensor(args[0])
        if mask[0]:
            w, x = tensor(args[1]), tensor(torch.empty(args[2]).numpy())
        else:
            x, w = tensor(args[1]), tensor(torch.empty(args[2]).numpy())
        stride, padding, groups = (options.get(n, usual) for n, usual in (("stride", 1), ("padding", 0), ("groups", 1)))
        sizes = ([stride] * 2, [padding] * 2, [1, 1], False, [0, 0], groups, mask)
        return lambda: torch.ops.aten.convolution_backward(dy, x, w, None, *sizes)

    return make


def _max_pool(torch: Any, tensor: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Callable[[], Any]:
    x = tensor(args[0])
    return lambda: torch.ops.aten.max_pool2d_with_indices(x, [args[1]] * 2)


def _max_pool_backward(torch: Any, tensor: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Callable[[], Any]:
    dy, argmax = tensor(args[0]), tensor(args[1])
    x = tensor(torch.empty(args[2]).numpy())
    sizes = ([2, 2], [2, 2], [0, 0], [1, 1], False)
    return lambda: torch.ops.aten.max_pool2d_with_indices_backward(dy, x, *sizes, argmax)


def _avg_pool(torch: Any, tensor: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Callable[[], Any]:
    x = tensor(args[0])
    return lambda: torch.ops.aten.avg_pool2d(x, [args[1]] * 2)


def _avg_pool_backward(torch: Any, tensor: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Callable[[], Any]:
    dy, x = tensor(args[0]), tensor(torch.empty(args[1]).numpy())
    return lambda: torch.ops.aten.avg_pool2d_backward(dy, x, [2, 2], [2, 2], [0, 0], False, True, None)


def _dense(torch: Any, tensor: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Callable[[], Any]:
    x, w, b = map(tensor, args)
    return lambda: torch.addmm(b, x, w)


def _dense_backward(torch: Any, tensor: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Callable[[], Any]:
    dy, x, w = map(tensor, args)
    return lambda: (dy @ w.T, x.T @ dy, dy.sum(0))


def _relu(torch: Any, tensor: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Callable[[], Any]:
    x = tensor(args[0])
    return lambda: torch.relu(x)


def _relu_backward(torch: Any, tensor: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Callable[[], Any]:
    dy, y = map(tensor, args)
    return lambda: torch.ops.aten.threshold_backward(dy, y, 0)


def _batch_norm(torch: Any, tensor: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Callable[[], Any]:
    x, gamma, beta = map(tensor, args)
    mean, var = tensor(options["running_mean"]), tensor(options["running_var"])
    return lambda: torch.ops.aten.native_batch_norm(x, gamma, beta, mean, var, True, 0.1, 1e-5)


def _batch_norm_backward(torch: Any, tensor: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Callable[[], Any]:
    dy, x, gamma, mean, inv_std = map(tensor, args)
    backward = torch.ops.aten.native_batch_norm_backward
    return lambda: backward(dy, x, gamma, None, None, mean, inv_std, True, 1e-5, [True, True, True])


def _im2col(torch: Any, tensor: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Callable[[], Any]:
    x = tensor(args[0])
    return lambda: torch.nn.functional.unfold(x, args[1], **options)


def _col2im(torch: Any, tensor: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Callable[[], Any]:
    n = args[1][0]
    cols = tensor(args[0])
    cols = cols.reshape(len(cols), n, -1).transpose(0, 1).contiguous()
    return lambda: torch.nn.functional.fold(cols, args[1][2:], args[2], **options)


def _cross_entropy(torch: Any, tensor: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Callable[[], Any]:
    x, target = map(tensor, args)
    aten = torch.ops.aten
    one = torch.ones(())

    def call() -> Any:
        log = aten._log_softmax(x, 1, False)
        value, total = aten.nll_loss_forward(log, target, None, 1, -100)
        back = aten.nll_loss_backward(one, log, target, None, 1, -100, total)
        return value, aten._log_softmax_backward_data(back, log, 1, x.dtype)

    return call


def _adam(torch: Any, tensor: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Callable[[], Any]:
    p, g, m, v = ([tensor(a)] for a in args)
    step = [torch.tensor(float(options["step"]))]

    def call() -> Any:
        torch._fused_adam_(
            p, g, m, v, [], step, lr=options["lr"], beta1=0.9, beta2=0.999, weight_decay=0.0, eps=1e-8,
            amsgrad=False, maximize=False,
        )  # fmt: skip
        return p[0], m[0], v[0]

    return call


_MAKERS = {
    "conv2d": _conv,
    "conv2d_backward_input": _conv_backward([True, False, False]),
    "conv2d_backward_weight": _conv_backward([False, True, False]),
    "max_pool2d": _max_pool,
    "max_pool2d_backward": _max_pool_backward,
    "avg_pool2d": _avg_pool,
    "avg_pool2d_backward": _avg_pool_backward,
    "dense": _dense,
    "dense_backward": _dense_backward,
    "relu": _relu,
    "relu_backward": _relu_backward,
    "batch_norm": _batch_norm,
    "batch_norm_backward": _batch_norm_backward,
    "im2col": _im2col,
    "col2im": _col2im,
    "softmax_cross_entropy": _cross_entropy,
    "adam_update": _adam,
}
