"""CIFAR-10: pictures of 32x32 pixels in three colours, from the files of its binary or its Python version."""

import gzip
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import download as downloads
from .cifar_pickle import read_pickle
from .folders import PathLike, not_found, places
from .train_test import Labelled, TrainTest, as_images, check_dtype

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SUB_FOLDERS = ("cifar-10", "cifar10")
PARTS = (tuple(f"data_batch_{k}" for k in range(1, 6)), ("test_batch",))
PIXELS = 3 * 32 * 32
LARGEST = 64 << 20  # bytes of one file, twice what one of either version has

Array = NDArray[Any]
Rows = tuple[Array, Array]


def cifar10(data_dir: PathLike | None = None, *, dtype: DTypeLike = np.float32, download: bool = False) -> TrainTest:
    """CIFAR-10: 50,000 + 10,000 colour pictures of 32x32 pixels, in ten classes.

    A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. Read are the binary version
    (`cifar-10-batches-bin` or `cifar-10-binary.tar.gz`) and the Python version (`cifar-10-batches-py` or
    `cifar-10-python.tar.gz`; nothing in its pickles is run), unpacked or not. They are looked for in `data_dir`,
    the folder named by the environment variable FASTNN_DATA, the user's cache folder and /usr/share/datasets,
    each with and without a sub-folder `cifar-10` or `cifar10`.

    Parameters
    ----------
    data_dir : path, optional
        The folder to look in first.
    dtype : float32, float64 or uint8
        Type of the images: floats from 0 to 1, or the pixels as they are, which a model scales by itself.
    download : bool
        Fetch the binary version into the user's cache where no folder has one (needs pooch: the extra
        `download`).

    Returns
    -------
    TrainTest
        ``(x_train, y_train), (x_test, y_test)``: x of shape (N, 3, 32, 32), red, green, blue; y of shape (N,),
        int64, 0 to 9; the names of the classes in `classes`.

    Raises
    ------
    FileNotFoundError
        If no folder holds the files; the message lists the folders.
    ValueError
        If a file is damaged; the message names it.
    OSError
        If the download fails.
    """
    chosen = check_dtype("cifar10", dtype)
    looked: list[str] = []
    for folder in places(SUB_FOLDERS, data_dir):
        found = _read_folder(folder, chosen)
        if found is not None:
            return found
        looked.append(str(folder))
    if download:
        found = _read_folder(downloads.fetch("cifar10", SUB_FOLDERS[0]), chosen)
        if found is not None:
            return found
    raise not_found(
        "cifar10",
        "cifar-10-batches-bin, cifar-10-binary.tar.gz, cifar-10-batches-py or cifar-10-python.tar.gz was",
        looked,
    )


def _read_folder(folder: Path, dtype: np.dtype[Any]) -> TrainTest | None:
    """Read the first of the versions that the folder holds, if any."""
    versions: tuple[tuple[str, str, str, Callable[[bytes], Rows]], ...] = (
        ("cifar-10-batches-bin", "cifar-10-binary.tar.gz", ".bin", _read_binary),
        ("cifar-10-batches-py", "cifar-10-python.tar.gz", "", read_pickle),
    )
    for version, packed, end, decode in versions:
        files = [f"{name}{end}" for part in PARTS for name in part]
        for place in (folder / version, folder):
            if (place / files[0]).is_file():
                data = {name: _whole(place / name) for name in files}
                return _assemble(place, data, end, decode, dtype)
        if (folder / packed).is_file():
            data = _unpacked(folder / packed, [f"{version}/{name}" for name in files])
            return _assemble(folder / packed, data, end, decode, dtype)
    return None


def _whole(path: Path) -> bytes:
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path}: has {path.stat().st_size} bytes, at most {LARGEST} are expected")
    return path.read_bytes()


def _unpacked(path: Path, names: list[str]) -> dict[str, bytes]:
    """Read members of an archive in one pass, without writing anything; their names lose the folder."""
    data = {}
    try:
        with tarfile.open(path, "r|gz") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.name in names else None
                if file is not None:
                    if member.size > LARGEST:
                        raise ValueError(f"{member.name} has {member.size} bytes, at most {LARGEST} are expected")
                    data[member.name.partition("/")[2]] = file.read()
    except (ValueError, EOFError, tarfile.TarError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: damaged or truncated archive ({error})") from error
    missing = [name for name in names if name.partition("/")[2] not in data]
    if missing:
        raise ValueError(f"{path}: lacks {', '.join(missing)}")
    return data


def _assemble(
    place: Path, data: dict[str, bytes], end: str, decode: Callable[[bytes], Rows], dtype: np.dtype[Any]
) -> TrainTest:
    """Decode the files of both parts and put each part together."""
    parts: list[Labelled] = []
    for names in PARTS:
        rows = []
        for name in names:
            try:
                rows.append(_checked(*decode(data[name + end])))
            except ValueError as error:
                raise ValueError(f"{place / (name + end)}: {error}") from error
        pixels, labels = (np.concatenate(arrays) for arrays in zip(*rows, strict=True))
        parts.append((as_images(pixels.reshape(-1, 3, 32, 32), dtype), labels.astype(np.int64)))
    return TrainTest(parts[0], parts[1], CLASSES)


def _read_binary(data: bytes) -> Rows:
    """Take the rows of the binary version apart: a label, then the pixels."""
    if len(data) % (1 + PIXELS):
        raise ValueError(f"truncated: {len(data)} bytes are no whole number of rows of {1 + PIXELS}")
    rows = np.frombuffer(data, np.uint8).reshape(-1, 1 + PIXELS)
    return rows[:, 1:], rows[:, 0]


def _checked(pixels: Array, labels: Array) -> Rows:
    if pixels.ndim != 2 or pixels.shape[1] != PIXELS or len(pixels) == 0 or labels.shape != (len(pixels),):
        raise ValueError(
            f"pixels have shape {pixels.shape} and labels {labels.shape}, (N, {PIXELS}) and (N,) are needed"
        )
    if labels.min() < 0 or labels.max() >= len(CLASSES):
        raise ValueError(f"holds the labels {labels.min()} to {labels.max()}, needed are 0 to {len(CLASSES) - 1}")
    return pixels, labels
