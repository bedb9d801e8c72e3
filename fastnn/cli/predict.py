"""`fastnn predict`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from . import evaluate

if TYPE_CHECKING:
    from ..initializers import Array
    from .arguments import Commands


def add(commands: "Commands") -> None:
    """Describe the arguments."""
    parser = commands.add_parser("predict", help="print class and probability of pictures or of arrays in .npy files")
    parser.add_argument("model", type=Path, metavar="MODEL", help="a file that train --save has written")
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="IMAGE_OR_NPY",
        help="pictures are brought to the size and the channels of the model's input",
    )
    evaluate.add_running(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print a line for each picture, and for each sample of an array."""
    model = evaluate.open_model(options)
    read = [_read(path, model.input_shape) for path in options.files]  # all, before anything is printed
    for path, samples in zip(options.files, read, strict=True):
        chances = model.predict_proba(samples)
        if chances.ndim != 2:
            raise ValueError(f"{options.model}: gives outputs of shape {model.output_shape}, no classes")
        names = model.class_names or tuple(str(k) for k in range(chances.shape[1]))
        for k, row in enumerate(chances):
            label = str(path) if len(chances) == 1 else f"{path}[{k}]"
            print(f"{label}  {_printable(names[row.argmax()])}  {row.max():.4f}")


def _printable(name: str) -> str:
    """Keep what a file from anywhere calls a class from steering the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _read(path: Path, shape: tuple[int, ...]) -> "Array":
    """Read samples (N, *shape)."""
    if path.suffix.lower() == ".npy":
        return _read_array(path, shape)
    from ..datasets.pictures import read_picture

    if len(shape) != 3 or shape[0] not in (1, 3):
        raise ValueError(f"{path}: the model takes samples of shape {shape}, which are no pictures: give them as .npy")
    try:
        picture = read_picture(path, (shape[1], shape[2]), grayscale=shape[0] == 1)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    import numpy as np

    return picture[None] / np.float32(255)


def _read_array(path: Path, shape: tuple[int, ...]) -> "Array":
    """Read one sample or several; the channel axis may be missing where there is one channel."""
    import numpy as np

    try:
        with path.open("rb") as file:
            array = np.load(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path}: no readable .npy file of a plain array ({error})") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise ValueError(f"{path}: holds no array of numbers")
    shapes = [shape, shape[1:]] if len(shape) == 3 and shape[0] == 1 else [shape]
    for one in shapes:
        if array.shape == one or (array.shape[1:] == one and len(array)):
            samples = array.reshape(-1, *shape)
            return samples / np.float32(255) if array.dtype == np.uint8 else samples
    needed = " or ".join(f"{one} or (N, {', '.join(map(str, one))})" for one in shapes)
    raise ValueError(f"{path}: has shape {array.shape}, the model takes {needed}")
