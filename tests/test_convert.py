"""Images of any dtype, read by compiled code: the bits of NumPy's own conversion."""

import numpy as np
import pytest
from tape_nets import Net
from tapes import make

from fastnn_kernels.executor import Executor

# Features: fewer than a vector has lanes, one vector of most machines, whole vectors and a remainder.
SIZES = (3, 16, 37)
BATCHES = (1, 3, 17, 40)


def images_read(x, dtype, batch):
    """What a model without arithmetic gives back."""
    tape = Net(*x.shape[1:]).layer("identity").done()
    return make(Executor, tape, dtype).forward(x, batch)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_byte_is_its_share_of_255(dtype):
    x = np.arange(256 * 3, dtype=np.uint8).reshape(-1, 3)
    expected = x.astype(dtype) / 255
    assert len(np.unique(expected)) == 256
    for batch in (1, 256):
        np.testing.assert_array_equal(images_read(x, dtype, batch), expected, strict=True)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("source", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_images_of_any_dtype_are_read_as_numpy_casts_them(dtype, source, size):
    rng = np.random.default_rng(size)
    x = rng.integers(0, 256, (40, size)).astype(source)
    if source != np.uint8:
        x = x * source(1 / 3)
        x[0, :3] = np.nan, np.inf, -0.0
    expected = x.astype(dtype) / 255 if source == np.uint8 else x.astype(dtype)
    for n in BATCHES:
        np.testing.assert_array_equal(images_read(x[:n], dtype, n), expected[:n], strict=True)


@pytest.mark.parametrize("mode", ["r", "c", "r+"])
def test_memory_maps_are_read_in_place(mode, tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (40, 37)).astype(np.uint8)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode=mode)
    np.testing.assert_array_equal(images_read(mapped, np.float32, 17), images_read(x, np.float32, 17))


def test_images_of_other_dtypes_are_refused():
    with pytest.raises(TypeError, match="x has dtype int64, uint8, float32 or float64 is needed"):
        images_read(np.ones((3, 3), np.int64), np.float32, 3)
