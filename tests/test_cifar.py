"""CIFAR-10: its two versions, packed or not; damaged and hostile files."""

import os
import pickle

import numpy as np
import pytest
from dataset_files import BATCHES, binary_batch, cifar_batches, python2_batch, write_archive

from fastnn.datasets import cifar10
from fastnn.datasets.cifar_pickle import read_pickle

VERSIONS = {"bin": ("binary", ".bin", binary_batch), "py": ("python", "", python2_batch)}


@pytest.fixture(autouse=True)
def no_other_folders(monkeypatch, tmp_path):
    monkeypatch.delenv("FASTNN_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no-cache"))
    monkeypatch.setattr("fastnn.datasets.folders.SYSTEM_DATA", tmp_path / "no-system")


def write(folder, version, packed=False, batches=None):
    """Write a small CIFAR-10; give the folder or file that was written."""
    name, end, encode = VERSIONS[version]
    files = {f"{key}{end}": encode(*value) for key, value in (batches or cifar_batches()).items()}
    inner = f"cifar-10-batches-{version}"
    if packed:
        path = folder / f"cifar-10-{name}.tar.gz"
        write_archive(path, {f"{inner}/{key}": data for key, data in files.items()})
        return path
    (folder / inner).mkdir(parents=True)
    for key, data in files.items():
        (folder / inner / key).write_bytes(data)
    return folder / inner


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("sub", [".", "cifar-10", "cifar10"])
def test_every_version_gives_the_same(tmp_path, version, packed, sub):
    batches = cifar_batches()
    written = write(tmp_path / sub, version, packed)
    data = cifar10(tmp_path)
    (x, y), (x_test, y_test) = data
    assert (x.shape, x.dtype, y.dtype) == ((15, 3, 32, 32), np.float32, np.int64)
    pixels = np.concatenate([batches[name][0] for name in BATCHES[:5]]).reshape(-1, 3, 32, 32)
    np.testing.assert_array_equal(np.rint(x * 255), pixels)
    np.testing.assert_array_equal(y, np.concatenate([batches[name][1] for name in BATCHES[:5]]))
    np.testing.assert_array_equal(y_test, batches["test_batch"][1])
    assert data.classes[0] == "airplane" and data.classes[9] == "truck"
    assert x_test.shape == (3, 3, 32, 32)
    if not packed:
        assert cifar10(written)[0][0].shape == x.shape
    assert cifar10(tmp_path, dtype="uint8")[0][0].tobytes() == pixels.tobytes()


def test_what_is_missing_and_where_it_was_looked_for(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        cifar10(tmp_path)
    for text in (
        "cifar-10-batches-bin",
        str(tmp_path / "cifar-10"),
        "no-cache",
        "no-system",
        "FASTNN_DATA",
        "--download",
    ):
        assert text in str(caught.value)


@pytest.mark.parametrize("version", VERSIONS)
def test_damaged_files_are_named(tmp_path, version):
    folder = write(tmp_path, version)
    path = folder / f"data_batch_3{VERSIONS[version][1]}"
    whole = path.read_bytes()
    for damaged in (whole[:-1], b"", b"text"):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="data_batch_3"):
            cifar10(tmp_path)
    bad = cifar_batches()
    bad["data_batch_3"][1][0] = 10
    path.write_bytes(VERSIONS[version][2](*bad["data_batch_3"]))
    with pytest.raises(ValueError, match=r"data_batch_3.*to 10, needed are 0 to 9"):
        cifar10(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="data_batch_3"):
        cifar10(tmp_path)


def test_damaged_archives_are_named(tmp_path):
    path = write(tmp_path, "bin", packed=True)
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"text", whole[:50] + b"x" + whole[51:]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"cifar-10-binary\.tar\.gz: "):
            cifar10(tmp_path)
    write_archive(path, {"cifar-10-batches-bin/data_batch_1.bin": b""})
    with pytest.raises(ValueError, match=r"lacks cifar-10-batches-bin/data_batch_2\.bin"):
        cifar10(tmp_path)


def test_a_member_that_unpacks_to_more_than_expected_is_not_read(tmp_path):
    write_archive(tmp_path / "cifar-10-binary.tar.gz", {"cifar-10-batches-bin/data_batch_1.bin": bytes((64 << 20) + 1)})
    with pytest.raises(ValueError, match="at most"):
        cifar10(tmp_path)


class Hostile:
    def __reduce__(self):
        return (os.mkdir, ("hostile",))


def test_pickles_that_ask_for_functions_are_refused_and_run_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels, labels = cifar_batches()["test_batch"]
    for data in (
        pickle.dumps(Hostile()),
        pickle.dumps({"data": Hostile(), "labels": [0]}),
        python2_batch(pixels, labels, function=b"os\nmkdir\n"),
        python2_batch(pixels, labels, function=b"builtins\neval\n"),
    ):
        with pytest.raises(ValueError, match="asks for"):
            read_pickle(data)
    assert list(tmp_path.iterdir()) == []


def test_pickles_of_other_things_are_refused():
    pixels, labels = cifar_batches()["test_batch"]
    for data, text in (
        (pickle.dumps([1, 2]), "holds a list"),
        (pickle.dumps({"labels": [1, 2]}), "no array"),
        (pickle.dumps({"labels": ["1"]}), "no list of labels"),
        (python2_batch(pixels, labels, dtype=b"O8"), "other type"),
        (python2_batch(pixels, labels, order=b"\x88"), "other type"),
        (python2_batch(pixels, [*labels, 300]), "no list of labels"),
    ):
        with pytest.raises(ValueError, match=text):
            read_pickle(data)
