"""Read a user's own data set from an npz file."""

import os
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .split import stratified_split
from .train_test import Labelled, TrainTest, as_images, check_dtype

CHANNELS_OF_PICTURES = (1, 3, 4)


def load_npz(path: str | os.PathLike[str], *, seed: int = 0, dtype: DTypeLike = np.float32) -> TrainTest:
    """Read images and labels from an npz file.

    The file holds `x_train, y_train, x_test, y_test`, or `x, y`, of which a stratified fifth is held out;
    and, if they have names, `classes`: an array of strings in the order of the labels.

    Parameters
    ----------
    path : path
        The file. Images of shape (N, C, H, W) or (N, H, W); uint8 is divided by 255, floats are taken as
        they are. Labels of shape (N,), integers from 0.
    seed : int
        Seed of the split, for a file with `x, y`.
    dtype : float32, float64 or uint8
        Type of the images; uint8, the pixels as they are, for files that hold uint8.

    Returns
    -------
    TrainTest
        ``(x_train, y_train), (x_test, y_test)``: x of shape (N, C, H, W); y of shape (N,), int64.

    Raises
    ------
    FileNotFoundError, PermissionError
        If the file cannot be opened.
    ValueError
        If it is no npz file or its arrays do not fit; the message names the file and the array.
    """
    chosen = check_dtype("load_npz", dtype)
    try:
        # Opened here because NumPy leaves a file that it cannot read open.
        with open(path, "rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("a single array")
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{os.fspath(path)}: no readable npz file of plain arrays ({error})") from error

    names = set(arrays)
    classes = _names(path, arrays["classes"]) if "classes" in names else ()
    if {"x_train", "y_train", "x_test", "y_test"} <= names:
        train, test = (_checked(path, arrays, f"x_{part}", f"y_{part}", chosen) for part in ("train", "test"))
        if train[0].shape[1:] != test[0].shape[1:]:
            raise ValueError(
                f"{os.fspath(path)}: images of x_test have shape {test[0].shape[1:]}, "
                f"those of x_train {train[0].shape[1:]}; needed are equal shapes"
            )
        return TrainTest(train, test, classes)
    if {"x", "y"} <= names:
        x, y = _checked(path, arrays, "x", "y", chosen)
        try:
            return stratified_split(x, y, seed=seed, classes=classes)
        except ValueError as error:
            raise ValueError(f"{os.fspath(path)}: {error}") from error
    raise ValueError(
        f"{os.fspath(path)}: holds {', '.join(sorted(names)) or 'nothing'}; "
        "needed are x_train, y_train, x_test, y_test, or x and y"
    )


def _names(path: str | os.PathLike[str], classes: NDArray[Any]) -> tuple[str, ...]:
    """Check the names of the classes."""
    if classes.ndim != 1 or classes.dtype.kind != "U":
        raise ValueError(
            f"{os.fspath(path)}: classes has shape {classes.shape} and dtype {classes.dtype}, "
            "needed are strings of shape (classes,)"
        )
    return tuple(classes.tolist())


def _checked(
    path: str | os.PathLike[str],
    arrays: dict[str, NDArray[Any]],
    x_name: str,
    y_name: str,
    dtype: np.dtype[Any],
) -> Labelled:
    """Check and convert one pair of images and labels."""
    x, y, where = arrays[x_name], arrays[y_name], os.fspath(path)
    if x.ndim == 3:
        x = x[:, None]
    if x.ndim != 4 or x.size == 0:
        raise ValueError(f"{where}: {x_name} has shape {x.shape}, needed is (N, C, H, W) or (N, H, W), not empty")
    if x.shape[3] in CHANNELS_OF_PICTURES and x.shape[1] not in CHANNELS_OF_PICTURES:
        raise ValueError(
            f"{where}: {x_name} has shape {x.shape}, channels last; needed is (N, C, H, W): "
            f"save {x_name}.transpose(0, 3, 1, 2)"
        )
    if y.shape != (len(x),) or y.dtype.kind not in "iu":
        raise ValueError(
            f"{where}: {y_name} has shape {y.shape} and dtype {y.dtype}, needed are integers of shape ({len(x)},)"
        )
    if y.min() < 0:
        raise ValueError(f"{where}: {y_name} holds the label {y.min()}, needed are labels from 0")
    if x.dtype == np.uint8:
        x = as_images(np.ascontiguousarray(x), dtype)
    elif dtype == np.uint8:
        raise ValueError(f"{where}: {x_name} has dtype {x.dtype}, needed for dtype=uint8 is uint8")
    elif x.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what does not fit becomes infinite and is reported below
            x = np.ascontiguousarray(x, dtype=dtype)
    else:
        raise ValueError(f"{where}: {x_name} has dtype {x.dtype}, needed is uint8 or a float")
    if not np.isfinite(x).all():
        raise ValueError(f"{where}: {x_name} holds NaN or infinite values, needed are finite ones")
    return x, y.astype(np.int64)
