"""MNIST and Fashion-MNIST, and other sets of four IDX files in a folder."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from . import download as downloads
from .folders import PathLike, not_found, places
from .idx import read_idx, unpacked
from .train_test import Labelled, TrainTest, as_images, check_dtype

STEMS = (("train-images", "idx3"), ("train-labels", "idx1"), ("t10k-images", "idx3"), ("t10k-labels", "idx1"))
NEEDED = f"the files {', '.join(f'{stem}-{kind}-ubyte[.gz]' for stem, kind in STEMS)} were"
# The two sets have files of the same names; the sha256 of the unpacked test labels tells them apart.
TEST_LABELS = {
    "mnist": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    "fashion_mnist": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
DIGITS = tuple("0123456789")
CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def mnist(data_dir: PathLike | None = None, *, dtype: DTypeLike = np.float32, download: bool = False) -> TrainTest:
    """MNIST: 60,000 + 10,000 handwritten digits of 28x28 pixels, from the four IDX files.

    The files may be packed by gzip or plain, and be spelt `train-images-idx3-ubyte` or
    `train-images.idx3-ubyte`. They are looked for in `data_dir`, the folder named by the environment variable
    FASTNN_DATA, the user's cache folder and /usr/share/datasets, in this order, each with and without a
    sub-folder `mnist`. The first folder that holds all four is used.

    Parameters
    ----------
    data_dir : path, optional
        The folder to look in first.
    dtype : float32, float64 or uint8
        Type of the images: floats from 0 to 1, or the pixels as they are, which a model scales by itself.
    download : bool
        Fetch the files into the user's cache where no folder has them (needs pooch: the extra `download`).

    Returns
    -------
    TrainTest
        ``(x_train, y_train), (x_test, y_test)``: x of shape (N, 1, 28, 28); y of shape (N,), int64, 0 to 9.

    Raises
    ------
    FileNotFoundError
        If no folder holds the four files; the message lists the folders.
    ValueError
        If a file is damaged, or images and labels do not belong together; the message names the file.
    OSError
        If the download fails.
    """
    return _read("mnist", ("mnist", "MNIST/raw"), DIGITS, data_dir, dtype, download)


def fashion_mnist(
    data_dir: PathLike | None = None, *, dtype: DTypeLike = np.float32, download: bool = False
) -> TrainTest:
    """Fashion-MNIST: 60,000 + 10,000 pictures of clothes of 28x28 pixels, in ten classes.

    H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms", 2017 (MIT licence). Files, folders and parameters are those of `mnist`, with a sub-folder
    `fashion-mnist`; Debian's package dataset-fashion-mnist puts them where they are found.

    Parameters
    ----------
    data_dir : path, optional
        The folder to look in first.
    dtype : float32, float64 or uint8
        Type of the images: floats from 0 to 1, or the pixels as they are, which a model scales by itself.
    download : bool
        Fetch the files into the user's cache where no folder has them (needs pooch: the extra `download`).

    Returns
    -------
    TrainTest
        ``(x_train, y_train), (x_test, y_test)``: x of shape (N, 1, 28, 28); y of shape (N,), int64, 0 to 9,
        and the names of the classes in `classes`.

    Raises
    ------
    FileNotFoundError, ValueError, OSError
        As `mnist`.
    """
    names = ("fashion-mnist", "fashion_mnist", "FashionMNIST/raw")
    return _read("fashion_mnist", names, CLOTHES, data_dir, dtype, download)


def load_idx(folder: PathLike, *, dtype: DTypeLike = np.float32) -> TrainTest:
    """Read a data set of one's own from four IDX files, named as those of MNIST.

    Parameters
    ----------
    folder : path
        Holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
        `t10k-labels-idx1-ubyte`, plain or packed by gzip (`.gz`).
    dtype : float32, float64 or uint8
        Type of the images: floats from 0 to 1, or the pixels as they are, which a model scales by itself.

    Returns
    -------
    TrainTest
        ``(x_train, y_train), (x_test, y_test)``: x of shape (N, 1, H, W); y of shape (N,), int64.

    Raises
    ------
    FileNotFoundError
        If one of the files is missing.
    ValueError
        If a file is damaged, or images and labels do not belong together; the message names the file.
    """
    chosen = check_dtype("load_idx", dtype)
    paths, missing = find_files(Path(folder))
    if missing:
        raise FileNotFoundError(f"load_idx: {Path(folder)} lacks {', '.join(missing)}")
    return _read_files(paths, chosen)


def find_files(folder: Path) -> tuple[list[Path], list[str]]:
    """Give the four files of a folder as far as they are there, and the names of those that are not."""
    found, missing = [], []
    for stem, kind in STEMS:
        spellings = [f"{stem}{dot}{kind}-ubyte{end}" for dot in "-." for end in ("", ".gz")]
        path = next((folder / spelling for spelling in spellings if (folder / spelling).is_file()), None)
        if path is None:
            missing.append(spellings[0])
        else:
            found.append(path)
    return found, missing


def _read(
    name: str,
    sub_folders: Sequence[str],
    classes: tuple[str, ...],
    data_dir: PathLike | None,
    dtype: DTypeLike,
    download: bool,
) -> TrainTest:
    """Find, fetch if asked, and read one of the two known sets."""
    chosen = check_dtype(name, dtype)
    paths, looked = _find(name, sub_folders, data_dir)
    if not paths and download:
        paths, _ = find_files(downloads.fetch(name, sub_folders[0]))
    if not paths:
        raise not_found(name, NEEDED, looked)
    train, test = _read_files(paths, chosen, side=28, classes=len(classes))
    return TrainTest(train, test, classes)


def _find(name: str, sub_folders: Sequence[str], data_dir: PathLike | None) -> tuple[list[Path], list[str]]:
    """Give the files of the first folder that has all four, and else the folders looked in."""
    looked: list[str] = []
    for folder in places(sub_folders, data_dir):
        paths, missing = find_files(folder)
        if not missing:
            digest = hashlib.sha256(unpacked(paths[3])).hexdigest()
            other = next((key for key, value in TEST_LABELS.items() if value == digest and key != name), None)
            if other is None:
                return paths, looked
            looked.append(f"{folder} (holds {other})")
        else:
            looked.append(f"{folder} (lacks {', '.join(missing)})" if paths else str(folder))
    return [], looked


def _read_files(
    paths: Sequence[Path], dtype: np.dtype[Any], side: int | None = None, classes: int | None = None
) -> TrainTest:
    """Read both parts and check that images and labels belong together."""
    parts: list[Labelled] = []
    for images_path, labels_path in (paths[:2], paths[2:]):
        images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
        height, width = parts[0][0].shape[2:] if parts else (side or images.shape[1], side or images.shape[2])
        if images.size == 0 or images.shape[1:] != (height, width):
            raise ValueError(
                f"{images_path}: has shape {images.shape}, needed is (N, {height}, {width}) with N at least 1"
            )
        if len(images) != len(labels):
            raise ValueError(
                f"{labels_path}: has {len(labels)} labels, {images_path.name} has {len(images)} images; "
                "needed is one label an image"
            )
        if classes and labels.max() >= classes:
            raise ValueError(f"{labels_path}: holds the label {labels.max()}, needed are 0 to {classes - 1}")
        parts.append((as_images(images[:, None], dtype), labels.astype(np.int64)))
    return TrainTest(parts[0], parts[1])
