"""A data set of one's own: pictures, in a folder a class."""

from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .folders import PathLike
from .pictures import Size, read_picture, suffixes
from .split import stratified_split
from .train_test import Labelled, TrainTest, as_images, check_dtype

PARTS = ("train", "test")
NAMED = 5  # unreadable pictures named in one message


def image_folder(
    path: PathLike,
    *,
    size: int | Size | None = None,
    grayscale: bool = False,
    test_fraction: float = 0.2,
    seed: int = 0,
    dtype: DTypeLike = np.float32,
) -> TrainTest:
    """Read pictures from a folder that has a sub-folder for each class (needs Pillow: the extra `images`).

    The classes are the sub-folders in the order of their names. Where there are two sub-folders `train` and
    `test`, each with a folder a class, these are the two parts; else a stratified share is held out. Files with
    other endings, and what starts with a dot, are passed over.

    Parameters
    ----------
    path : path
    size : int or (height, width), optional
        Size that all pictures are resampled to; without it all must have one size.
    grayscale : bool
        One channel instead of three.
    test_fraction, seed
        As in `stratified_split`, where there are no parts `train` and `test`.
    dtype : float32, float64 or uint8
        Type of the images: floats from 0 to 1, or the pixels as they are, which a model scales by itself.

    Returns
    -------
    TrainTest
        ``(x_train, y_train), (x_test, y_test)``: x of shape (N, 1 or 3, H, W); y of shape (N,), int64; the names
        of the classes in `classes`.

    Raises
    ------
    ImportError
        If Pillow is not installed.
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    ValueError
        If there are no classes, a class has no pictures, a picture cannot be read (the message names the files)
        or sizes differ.
    """
    root, chosen = Path(path), check_dtype("image_folder", dtype)
    wanted = None if size is None else _checked_size(size)
    endings = suffixes("image_folder")
    folders = _sub_folders(root)
    if set(PARTS) <= {folder.name for folder in folders}:
        files = {part: _files_by_class(root / part, endings) for part in PARTS}
        classes = tuple(files["train"])
        for part, by_class in files.items():
            if tuple(by_class) != classes:
                differing = sorted(set(by_class) ^ set(classes))
                raise ValueError(
                    f"{root / part}: has other classes than {root / 'train'}: {', '.join(differing)}; "
                    "needed are the same in both"
                )
    else:
        files = {"all": _files_by_class(root, endings)}
        classes = tuple(files["all"])
    if len(classes) < 2:
        raise ValueError(
            f"{root}: has {len(classes)} folder{'s' * (len(classes) != 1)} of pictures; "
            "needed is one for each class, at least 2"
        )
    every = [file for by_class in files.values() for group in by_class.values() for file in group]
    pixels = _read_all(every, wanted, grayscale=grayscale)
    parts: list[Labelled] = []
    first = 0
    for by_class in files.values():
        counts = [len(group) for group in by_class.values()]
        images = pixels[first : first + sum(counts)]
        first += sum(counts)
        parts.append((as_images(images, chosen), np.repeat(np.arange(len(classes)), counts)))
    if len(parts) == 2:
        return TrainTest(parts[0], parts[1], classes)
    try:
        return stratified_split(*parts[0], test_fraction=test_fraction, seed=seed, classes=classes)
    except ValueError as error:
        raise ValueError(f"{root}: {error}") from error


def _checked_size(size: Any) -> Size:
    """Check a size, (height, width) or one number for both."""
    pair = (size, size) if isinstance(size, Integral) else size
    if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(isinstance(n, Integral) for n in pair):
        raise TypeError(f"image_folder: size is {size!r}, an int or (height, width) is needed")
    if min(pair) < 1:
        raise ValueError(f"image_folder: size is {size}, at least 1 is needed")
    return int(pair[0]), int(pair[1])


def _sub_folders(root: Path) -> list[Path]:
    """List the folders in a folder, hidden ones left out, by name."""
    return sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _files_by_class(root: Path, endings: set[str]) -> dict[str, list[Path]]:
    """List the pictures below each class's folder, by name."""
    found = {
        folder.name: sorted(
            file
            for file in folder.rglob("*")
            if file.suffix.lower() in endings and not file.name.startswith(".") and file.is_file()
        )
        for folder in _sub_folders(root)
    }
    empty = [name for name, files in found.items() if not files]
    if empty:
        raise ValueError(f"{root}: no pictures in the class folder{'s' * (len(empty) > 1)} {', '.join(empty)}")
    return found


def _read_all(files: list[Path], size: Size | None, *, grayscale: bool) -> NDArray[np.uint8]:
    """Read pictures into one array (N, C, H, W); name those that cannot be read, and the first of another size."""
    pixels: NDArray[np.uint8] | None = None
    broken = []
    for k, file in enumerate(files):
        try:
            picture = read_picture(file, size, grayscale=grayscale)
        except (ValueError, OSError) as error:
            broken.append(f"{file} ({getattr(error, 'strerror', None) or error})")
            continue
        if pixels is None:
            pixels = np.empty((len(files), *picture.shape), np.uint8)
        if picture.shape != pixels.shape[1:]:
            raise ValueError(
                f"{file}: is {picture.shape[1]}x{picture.shape[2]} (height x width), those before it are "
                f"{pixels.shape[2]}x{pixels.shape[3]}; give a size for all: size=(height, width) (--image-size)"
            )
        pixels[k] = picture
    if broken:
        more = f" and {len(broken) - NAMED} more" if len(broken) > NAMED else ""
        raise ValueError(
            f"{len(broken)} picture{'s' * (len(broken) > 1)} cannot be read: {'; '.join(broken[:NAMED])}{more}"
        )
    assert pixels is not None  # every class has a file
    return pixels
