"""Data sets that are read from a folder on this machine."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .idx import read_idx
from .split import Labelled, TrainTest

SYSTEM_DATA = Path("/usr/share/datasets")
MNIST_STEMS = (
    ("train-images", "idx3"),
    ("train-labels", "idx1"),
    ("t10k-images", "idx3"),
    ("t10k-labels", "idx1"),
)


def mnist(data_dir: str | os.PathLike[str] | None = None) -> TrainTest:
    """MNIST: 60,000 + 10,000 handwritten digits of 28x28 pixels, from the four IDX files.

    The files may be packed by gzip or plain, and be spelt `train-images-idx3-ubyte` or
    `train-images.idx3-ubyte`. They are looked for in `data_dir`, the folder named by the environment variable
    FASTNN_DATA, the user's cache folder and /usr/share/datasets, in this order, each with and without a
    sub-folder `mnist`. The first folder that holds all four is used.

    Parameters
    ----------
    data_dir : path, optional
        The folder to look in first.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        x of shape (N, 1, 28, 28), float32, from 0 to 1; y of shape (N,), int64, 0 to 9.

    Raises
    ------
    FileNotFoundError
        If no folder holds the four files; the message lists the folders.
    ValueError
        If a file is damaged, or images and labels do not belong together; the message names the file.
    """
    train_x, train_y, test_x, test_y = _find_files("mnist", MNIST_STEMS, data_dir)
    return _read_pair(train_x, train_y), _read_pair(test_x, test_y)


def user_cache_dir() -> Path | None:
    """Give the folder of fastnn in the user's cache, or None for a user without a home folder."""
    named = os.environ.get("XDG_CACHE_HOME")
    if not named and sys.platform == "win32":
        named = os.environ.get("LOCALAPPDATA")
    if named:
        return Path(named) / "fastnn"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "fastnn"


def _folders(name: str, data_dir: str | os.PathLike[str] | None) -> list[Path]:
    """List the folders to look in, first to last, without repetition."""
    roots = (data_dir, os.environ.get("FASTNN_DATA") or None, user_cache_dir(), SYSTEM_DATA)
    places = [place for root in roots if root is not None for place in (Path(root) / name, Path(root))]
    return list(dict.fromkeys(places))


def _find_files(
    name: str, stems: Sequence[tuple[str, str]], data_dir: str | os.PathLike[str] | None
) -> list[Path]:
    """Find the files of one data set, all in one folder."""
    looked = []
    for folder in _folders(name, data_dir):
        found, missing = [], []
        for stem, kind in stems:
            spellings = [f"{stem}{dot}{kind}-ubyte{end}" for dot in "-." for end in ("", ".gz")]
            path = next((folder / spelling for spelling in spellings if (folder / spelling).is_file()), None)
            if path is None:
                missing.append(spellings[0])
            else:
                found.append(path)
        if not missing:
            return found
        looked.append(f"{folder} (lacks {', '.join(missing)})" if found else str(folder))
    raise FileNotFoundError(
        f"{name}: the files {', '.join(f'{stem}-{kind}-ubyte[.gz]' for stem, kind in stems)} "
        f"were not found in {'; '.join(looked)}. Give their folder as data_dir (--data-dir) "
        "or in the environment variable FASTNN_DATA."
    )


def _read_pair(images_path: Path, labels_path: Path) -> Labelled:
    """Read images and labels that belong together, and check that they do."""
    images, labels = read_idx(images_path, 3), read_idx(labels_path, 1)
    if len(images) == 0 or images.shape[1:] != (28, 28):
        raise ValueError(f"{images_path}: has shape {images.shape}, needed is (N, 28, 28) with N at least 1")
    if len(images) != len(labels):
        raise ValueError(
            f"{labels_path}: has {len(labels)} labels, {images_path.name} has {len(images)} images; "
            "needed is one label an image"
        )
    if labels.max() > 9:
        raise ValueError(f"{labels_path}: holds the label {labels.max()}, needed are 0 to 9")
    x: NDArray[Any] = images[:, None] / np.float32(255)
    return x, labels.astype(np.int64)
