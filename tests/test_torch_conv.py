"""Convolution, transposed convolution and im2col against PyTorch: values and gradients, over all options."""

import types
import warnings
from typing import Any

import numpy as np
import pytest
from geometry import CONVOLUTIONS, Geometry
from helpers import examples
from hypothesis import assume, given
from hypothesis import strategies as st

import fastnn_kernels as fk
import fastnn_kernels.reference as ref

torch = pytest.importorskip("torch")
F = torch.nn.functional

pytestmark = pytest.mark.torch
both = pytest.mark.parametrize("kernels", [fk, ref], ids=["compiled", "reference"])
pairs = st.one_of(st.integers(1, 3), st.tuples(st.integers(1, 3), st.integers(1, 3)))
sides = st.one_of(st.integers(0, 3), st.tuples(st.integers(0, 3), st.integers(0, 3)))


def numbers(*shape: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def tensor(array: np.ndarray) -> Any:
    return torch.tensor(array, requires_grad=True)


def assert_equal(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected.detach().numpy(), rtol=1e-10, atol=1e-10)


def padded(x: Any, g: Geometry) -> Any:
    top, bottom, left, right = g.pads
    return F.pad(x, (left, right, top, bottom))


def compare(kernels: Any, name: str, y: Any, ty: Any, arrays: Any, tensors: Any, **options: Any) -> None:
    """Compare a result, and the gradients for x, w and b."""
    assert_equal(y, ty)
    dy = numbers(*ty.shape, seed=8)
    ty.backward(torch.tensor(dy))
    for actual, t in zip(getattr(kernels, f"{name}_backward")(dy, *arrays[:2], **options), tensors, strict=True):
        assert_equal(actual, t.grad)


@both
@pytest.mark.parametrize("algorithm", ["direct", "im2col"])
@pytest.mark.parametrize("g", CONVOLUTIONS, ids=lambda g: g.label)
def test_conv2d(g: Geometry, kernels: types.ModuleType, algorithm: str) -> None:
    arrays = numbers(*g.x_shape), numbers(*g.w_shape, seed=6), numbers(g.o, seed=7)
    tensors = [tensor(a) for a in arrays]
    ty = F.conv2d(padded(tensors[0], g), *tensors[1:], stride=g.stride, dilation=g.dilation, groups=g.groups)
    y = kernels.conv2d(*arrays, **g.conv_options, algorithm=algorithm)
    compare(kernels, "conv2d", y, ty, arrays, tensors, **g.conv_options)


@both
@pytest.mark.parametrize("g", [g for g in CONVOLUTIONS if g.padding == "same"], ids=lambda g: g.label)
def test_same_padding_is_pytorchs(g: Geometry, kernels: types.ModuleType) -> None:
    x, w = numbers(*g.x_shape), numbers(*g.w_shape, seed=6)
    # An even kernel pads one side more; PyTorch does it with F.pad, and warns that this copies.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        ty = F.conv2d(torch.tensor(x), torch.tensor(w), padding="same", dilation=g.dilation)
    assert_equal(kernels.conv2d(x, w, padding="same", dilation=g.dilation), ty)


@both
@pytest.mark.parametrize("g", CONVOLUTIONS, ids=lambda g: g.label)
def test_im2col(g: Geometry, kernels: types.ModuleType) -> None:
    x = numbers(*g.x_shape)
    tx = tensor(x)
    tcols = F.unfold(padded(tx, g), g.kernel_size, dilation=g.dilation, stride=g.stride)  # (N, C*KH*KW, OH*OW)
    cols = kernels.im2col(x, g.kernel_size, **g.window_options)
    assert_equal(cols, tcols.transpose(0, 1).reshape(cols.shape))
    dcols = numbers(*cols.shape, seed=6)
    tcols.backward(torch.tensor(dcols).reshape(len(cols), g.n, -1).transpose(0, 1))
    assert_equal(kernels.col2im(dcols, x.shape, g.kernel_size, **g.window_options), tx.grad)


@st.composite
def drawn(draw: Any) -> dict[str, Any]:
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    return {
        "n": draw(st.integers(1, 18)),
        "channels": groups * draw(st.integers(1, 4)),
        "filters": groups * draw(st.integers(1, 6)),
        "size": draw(st.tuples(st.integers(1, 20), st.integers(1, 20))),
        "kernel": draw(st.tuples(st.integers(1, 5), st.integers(1, 5))),
        "options": {"stride": draw(pairs), "padding": draw(sides), "dilation": draw(pairs), "groups": groups},
    }


@both
@examples
@given(drawn())
def test_drawn_conv2d(kernels: types.ModuleType, d: dict[str, Any]) -> None:
    w_shape = (d["filters"], d["channels"] // d["options"]["groups"], *d["kernel"])
    arrays = numbers(d["n"], d["channels"], *d["size"]), numbers(*w_shape, seed=6), numbers(d["filters"], seed=7)
    tensors = [tensor(a) for a in arrays]
    try:
        ty = F.conv2d(*tensors, **d["options"])
    except RuntimeError:  # the kernel is larger than the padded images
        with pytest.raises(ValueError, match="does not fit"):
            kernels.conv2d(*arrays, **d["options"])
        return
    compare(kernels, "conv2d", kernels.conv2d(*arrays, **d["options"]), ty, arrays, tensors, **d["options"])


@both
@examples
@given(drawn(), st.one_of(st.integers(0, 2), st.tuples(st.integers(0, 2), st.integers(0, 2))))
def test_drawn_conv_transpose2d(kernels: types.ModuleType, d: dict[str, Any], extra: Any) -> None:
    options = {**d["options"], "output_padding": extra}
    w_shape = (d["channels"], d["filters"] // options["groups"], *d["kernel"])
    arrays = numbers(d["n"], d["channels"], *d["size"]), numbers(*w_shape, seed=6), numbers(d["filters"], seed=7)
    tensors = [tensor(a) for a in arrays]
    try:
        ty = F.conv_transpose2d(*tensors, **options)
    except RuntimeError:  # output_padding is too large, or nothing is left of the output
        with pytest.raises(ValueError, match=r"output_padding is|the output would be"):
            kernels.conv_transpose2d(*arrays, **options)
        return
    assume(ty.numel())
    y = kernels.conv_transpose2d(*arrays, **options)
    compare(kernels, "conv_transpose2d", y, ty, arrays, tensors, **options)
