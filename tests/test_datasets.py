"""Data sets: the embedded digits, MNIST from a folder, a user's npz file."""

import copy
import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from dataset_files import idx_bytes, write_mnist

from fastnn.datasets import (
    digits,
    fashion_mnist,
    idx_sets,
    load_idx,
    load_npz,
    mnist,
    stratified_split,
)

REAL_DATA = os.environ.get("FASTNN_DATA", "")


@pytest.fixture(autouse=True)
def no_other_folders(monkeypatch, tmp_path):
    monkeypatch.delenv("FASTNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no-cache"))


def test_digits_shapes_types_and_range():
    (x_train, y_train), (x_test, y_test) = digits()
    assert x_train.shape == (len(y_train), 1, 8, 8)
    assert x_test.shape == (len(y_test), 1, 8, 8)
    assert len(y_train) + len(y_test) == 1797
    assert abs(len(y_test) - 1797 / 5) < 5
    for x, y in ((x_train, y_train), (x_test, y_test)):
        assert x.dtype == np.float32
        assert y.dtype == np.int64
        assert x.flags.c_contiguous
        assert (x.min(), x.max()) == (0.0, 1.0)
    assert digits(dtype=np.float64)[0][0].dtype == np.float64


def test_digits_hold_out_the_same_share_of_every_class():
    (_, y_train), (_, y_test) = digits()
    share = np.bincount(y_test) / (np.bincount(y_train) + np.bincount(y_test))
    assert share.shape == (10,)
    np.testing.assert_allclose(share, 0.2, atol=0.003)


def test_digits_split_is_seeded_and_complete():
    first, again, other = digits(seed=1), digits(seed=1), digits(seed=2)
    assert first[1][0].tobytes() == again[1][0].tobytes()
    assert first[1][0].tobytes() != other[1][0].tobytes()

    def sorted_rows(split):
        rows = np.concatenate([split[0][0], split[1][0]]).reshape(1797, 64)
        return rows[np.lexsort(rows.T)]

    np.testing.assert_array_equal(sorted_rows(first), sorted_rows(other))


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.2, 1e-9, float("nan")])
def test_digits_refuse_a_fraction_that_leaves_nothing(fraction):
    with pytest.raises(ValueError, match="test_fraction"):
        digits(test_fraction=fraction)
    with pytest.raises(TypeError, match="stratified_split: test_fraction is 'half'"):
        digits(test_fraction="half")
    with pytest.raises(ValueError, match="stratified_split: seed is -1"):
        digits(seed=-1)


def test_digits_refuse_other_types():
    with pytest.raises(TypeError, match="float32 or float64"):
        digits(dtype=np.int32)


def test_split_refuses_labels_of_another_length():
    with pytest.raises(ValueError, match=r"y has shape \(3,\)"):
        stratified_split(np.zeros((4, 2)), np.zeros(3, dtype=np.int64))


@pytest.mark.parametrize("dot", "-.")
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("sub", [".", "mnist"])
def test_mnist_reads_every_spelling(tmp_path, dot, packed, sub):
    images, labels, test_images, test_labels = write_mnist(tmp_path / sub, dot=dot, packed=packed)
    (x_train, y_train), (x_test, y_test) = mnist(tmp_path)
    assert x_train.dtype == x_test.dtype == np.float32
    assert y_train.dtype == y_test.dtype == np.int64
    np.testing.assert_array_equal(np.rint(x_train * 255), images[:, None])
    np.testing.assert_array_equal(np.rint(x_test * 255), test_images[:, None])
    np.testing.assert_array_equal(y_train, labels)
    np.testing.assert_array_equal(y_test, test_labels)
    assert (x_train.min(), x_train.max()) == (0.0, 1.0)


@pytest.mark.parametrize("variable", ["FASTNN_DATA", "XDG_CACHE_HOME"])
def test_mnist_is_found_by_environment(tmp_path, monkeypatch, variable):
    sub = "fastnn/mnist" if variable == "XDG_CACHE_HOME" else "mnist"
    write_mnist(tmp_path / sub)
    monkeypatch.setenv(variable, str(tmp_path))
    assert mnist()[0][0].shape == (20, 1, 28, 28)
    assert mnist(tmp_path / "not-here")[0][0].shape == (20, 1, 28, 28)


def test_mnist_missing_lists_folders_and_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr("fastnn.datasets.folders.SYSTEM_DATA", tmp_path / "no-system")
    write_mnist(tmp_path / "part")
    (tmp_path / "part" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        mnist(tmp_path / "part")
    message = str(caught.value)
    for text in (
        str(tmp_path / "part"),
        "lacks t10k-labels-idx1-ubyte",
        str(tmp_path / "no-cache" / "fastnn"),
        str(tmp_path / "no-system"),
        "FASTNN_DATA",
        "--data-dir",
    ):
        assert text in message


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
DAMAGE = {
    "truncated": (IMAGES, lambda d: d[:-1], "truncated"),
    "only a header": (IMAGES, lambda d: d[:10], "truncated"),
    "empty": (IMAGES, lambda d: b"", "none"),
    "too long": (LABELS, lambda d: d + b"\0", "too long"),
    "labels for images": (IMAGES, lambda d: idx_bytes(np.zeros(20, np.uint8)), "00 00 08 03"),
    "floats": (IMAGES, lambda d: b"\0\0\x0d\x03" + d[4:], "00 00 08 03"),
    "no IDX file": (LABELS, lambda d: b"<html>", "3c 68"),
    "damaged gzip": (IMAGES, lambda d: gzip.compress(d)[:-20], "gzip"),
    "huge shape": (IMAGES, lambda d: d[:4] + b"\xff" * 12 + d[16:], "truncated"),
    "other size": (IMAGES, lambda d: idx_bytes(np.zeros((20, 27, 28), np.uint8)), r"\(N, 28, 28\)"),
    "no images": (IMAGES, lambda d: idx_bytes(np.zeros((0, 28, 28), np.uint8)), "at least 1"),
    "other count": (LABELS, lambda d: idx_bytes(np.zeros(19, np.uint8)), "19 labels"),
    "label 10": (LABELS, lambda d: d[:-1] + b"\x0a", "label 10"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_mnist_damaged_files_are_named(tmp_path, damage):
    name, change, text = DAMAGE[damage]
    write_mnist(tmp_path)
    path = tmp_path / name
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=text) as caught:
        mnist(tmp_path)
    assert str(path) in str(caught.value)


def test_images_come_as_floats_or_as_they_are(tmp_path):
    images, *_ = write_mnist(tmp_path)
    (x, _), _ = mnist(tmp_path, dtype="uint8")
    assert x.dtype == np.uint8
    np.testing.assert_array_equal(x, images[:, None])
    (doubles, _), _ = mnist(tmp_path, dtype=np.float64)
    np.testing.assert_array_equal(doubles, images[:, None] / 255)
    for wrong in ("int8", None, "pictures"):
        with pytest.raises(TypeError, match=r"mnist: dtype is .*float32, float64, uint8"):
            mnist(tmp_path, dtype=wrong)


def test_fashion_mnist_has_names_and_is_not_taken_for_mnist(tmp_path, monkeypatch):
    *_, test_labels = write_mnist(tmp_path / "fashion-mnist")
    data = fashion_mnist(tmp_path)
    assert data.classes[9] == "Ankle boot" and len(data.classes) == 10
    assert copy.deepcopy(data).classes == data.classes
    with pytest.raises(FileNotFoundError, match="not found"):
        mnist(tmp_path)
    digest = hashlib.sha256(idx_bytes(test_labels)).hexdigest()
    monkeypatch.setitem(idx_sets.TEST_LABELS, "fashion_mnist", digest)
    folder = tmp_path / "fashion-mnist"
    assert fashion_mnist(folder)[1][1].tolist() == test_labels.tolist()
    with pytest.raises(FileNotFoundError, match=r"fashion-mnist \(holds fashion_mnist\)"):
        mnist(folder)


@pytest.mark.skipif(not Path("/usr/share/datasets/fashion-mnist").is_dir(), reason="not installed")
def test_real_fashion_mnist():
    (x_train, y_train), (x_test, y_test) = fashion_mnist(dtype="uint8")
    assert x_train.shape == (60_000, 1, 28, 28)
    assert x_test.shape == (10_000, 1, 28, 28)
    assert np.bincount(y_train).tolist() == [6000] * 10
    assert y_test[:5].tolist() == [9, 2, 1, 1, 6]


def test_four_idx_files_of_any_size(tmp_path):
    write_mnist(tmp_path, packed=True)
    for stem, n in (("train", 20), ("t10k", 10)):
        images = np.full((n, 5, 7), 255, np.uint8)
        (tmp_path / f"{stem}-images-idx3-ubyte.gz").write_bytes(idx_bytes(images))
    (x, y), (x_test, _) = load_idx(tmp_path)
    assert (x.shape, y.shape, x_test.shape) == ((20, 1, 5, 7), (20,), (10, 1, 5, 7))
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(idx_bytes(np.zeros((10, 7, 5), np.uint8)))
    with pytest.raises(ValueError, match=r"t10k.*needed is \(N, 5, 7\)"):
        load_idx(tmp_path)
    (tmp_path / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match="lacks t10k-images-idx3-ubyte"):
        load_idx(tmp_path)


@pytest.mark.skipif(not REAL_DATA, reason="FASTNN_DATA is not set")
def test_real_mnist(monkeypatch):
    monkeypatch.setenv("FASTNN_DATA", REAL_DATA)
    (x_train, y_train), (x_test, y_test) = mnist()
    assert x_train.shape == (60_000, 1, 28, 28)
    assert x_test.shape == (10_000, 1, 28, 28)
    assert y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert abs(float(x_train.mean(dtype=np.float64)) - 0.1307) < 1e-4


def test_npz_with_four_arrays(tmp_path):
    x = np.arange(6 * 3 * 4 * 5, dtype=np.float64).reshape(6, 3, 4, 5)
    y = np.arange(6, dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x_train=x[:4], y_train=y[:4], x_test=x[4:], y_test=y[4:])
    (x_train, y_train), (x_test, y_test) = load_npz(tmp_path / "a.npz")
    assert x_train.dtype == np.float32
    assert y_train.dtype == np.int64
    np.testing.assert_array_equal(x_train, x[:4])
    np.testing.assert_array_equal(x_test, x[4:])
    assert y_test.tolist() == [4, 5]


def test_npz_with_two_arrays_is_scaled_and_split(tmp_path):
    x = np.full((50, 6, 6), 255, dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(50) % 5)
    (x_train, y_train), (_, y_test) = load_npz(tmp_path / "a.npz")
    assert x_train.shape == (40, 1, 6, 6)
    assert (x_train == 1).all()
    assert np.bincount(y_test).tolist() == [2] * 5
    assert np.bincount(y_train).tolist() == [8] * 5


def test_npz_keeps_pixels_and_names_of_classes(tmp_path):
    x = np.arange(50, dtype=np.uint8)[:, None, None] + np.zeros((50, 6, 6), np.uint8)
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(50) % 2, classes=["cat", "dog"])
    data = load_npz(tmp_path / "a.npz", dtype="uint8")
    assert data.classes == ("cat", "dog")
    assert data[0][0].dtype == np.uint8
    assert (data[0][0][:, 0, 0, 0] % 2 == data[0][1]).all()
    np.savez(tmp_path / "b.npz", x=x / 255, y=np.arange(50) % 2)
    with pytest.raises(ValueError, match=r"b\.npz: x has dtype float64, needed for dtype=uint8 is uint8"):
        load_npz(tmp_path / "b.npz", dtype="uint8")


GOOD_X, GOOD_Y = np.zeros((10, 1, 4, 4), np.float32), np.arange(10) % 2
BAD_ARRAYS = {
    "other names": ({"images": GOOD_X, "labels": GOOD_Y}, "images, labels"),
    "channels last": ({"x": np.zeros((10, 8, 8, 3), np.float32), "y": GOOD_Y}, r"x\.transpose\(0, 3, 1, 2\)"),
    "flat": ({"x": GOOD_X.reshape(10, 16), "y": GOOD_Y}, r"\(10, 16\)"),
    "empty": ({"x": GOOD_X[:0], "y": GOOD_Y[:0]}, "not empty"),
    "one-hot": ({"x": GOOD_X, "y": np.eye(2)[GOOD_Y]}, r"\(10, 2\)"),
    "float labels": ({"x": GOOD_X, "y": GOOD_Y * 1.0}, "float64"),
    "negative label": ({"x": GOOD_X, "y": GOOD_Y - 1}, "label -1"),
    "wide integers": ({"x": GOOD_X.astype(np.int32), "y": GOOD_Y}, "int32"),
    "NaN": ({"x": GOOD_X * np.float32("nan"), "y": GOOD_Y}, "NaN"),
    "beyond float32": ({"x": GOOD_X + np.float64(1e300), "y": GOOD_Y}, "infinite"),
    "too few to split": ({"x": GOOD_X[:4], "y": GOOD_Y[:4]}, "at least one each"),
    "objects": ({"x": np.array([None, 1], dtype=object), "y": GOOD_Y}, "readable"),
    "names that are numbers": ({"x": GOOD_X, "y": GOOD_Y, "classes": np.arange(2)}, "classes has shape"),
    "other test shape": (
        {"x_train": GOOD_X, "y_train": GOOD_Y, "x_test": GOOD_X[:, :, :3], "y_test": GOOD_Y},
        "equal shapes",
    ),
}


@pytest.mark.parametrize("bad", BAD_ARRAYS)
def test_npz_bad_arrays_are_named(tmp_path, bad):
    arrays, text = BAD_ARRAYS[bad]
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ValueError, match=text) as caught:
        load_npz(tmp_path / "bad.npz")
    assert str(tmp_path / "bad.npz") in str(caught.value)


def test_npz_damaged_or_missing(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(FileNotFoundError):
        load_npz(path)
    np.savez_compressed(path, x=np.random.default_rng(0).random((10, 1, 4, 4)), y=GOOD_Y)
    whole = path.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :]
    for damaged in (b"", b"text", whole[:100], flipped):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"a\.npz: no readable npz file"):
            load_npz(path)
    with path.open("wb") as file:
        np.save(file, GOOD_X)
    with pytest.raises(ValueError, match="no readable npz file"):
        load_npz(path)
