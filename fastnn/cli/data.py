"""The data sets that a command can be given, by name, folder or file."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import image_size, seed

if TYPE_CHECKING:
    from ..datasets import TrainTest

NAMES = ("digits", "mnist", "fashion-mnist", "cifar10")
METAVAR = f"{'|'.join(NAMES)}|FOLDER|FILE.npz"


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say which data are used."""
    group = parser.add_argument_group("data").add_argument
    group("--data", type=_data, default="digits", metavar=METAVAR, help="FOLDER: a folder a class; default %(default)s")
    group("--data-dir", type=Path, metavar="FOLDER", help="folder to look for known data sets in first")
    group("--download", action="store_true", help="fetch a known data set that is in no folder (needs pooch)")
    group("--image-size", type=image_size, metavar="N|HxW", help="size that pictures of a FOLDER are brought to")
    group("--grayscale", action="store_true", help="pictures of a FOLDER in one channel instead of three")
    group(
        "--seed",
        type=seed,
        default=0,
        metavar="N",
        help="of weights, order, and split of data in one part; default %(default)s",
    )


def load(options: argparse.Namespace) -> "TrainTest":
    """Read the data set that was asked for, and check that its labels count the classes.

    Images are uint8 where the files have them so: a quarter of the memory, scaled where they are read.
    """
    from .. import datasets
    from ..datasets.idx_sets import find_files

    name = options.data
    known = {"mnist": datasets.mnist, "fashion-mnist": datasets.fashion_mnist, "cifar10": datasets.cifar10}
    if name == "digits":
        return datasets.digits(seed=options.seed)
    if name in known:
        return known[name](options.data_dir, dtype="uint8", download=options.download)
    path = Path(name)
    if path.suffix == ".npz":
        return _counted(name, datasets.load_npz(path, seed=options.seed))
    if find_files(path)[0]:
        return _counted(name, datasets.load_idx(path, dtype="uint8"))
    size, grayscale = options.image_size, options.grayscale
    return datasets.image_folder(path, size=size, grayscale=grayscale, seed=options.seed, dtype="uint8")


def class_names(data: "TrainTest") -> tuple[str, ...]:
    """Give the names of the classes, or their numbers."""
    count = 1 + int(max(data[0][1].max(), data[1][1].max()))
    return data.classes or tuple(str(k) for k in range(count))


def _counted(name: str, data: "TrainTest") -> "TrainTest":
    """Refuse labels that are no numbers of classes: as many outputs would fill the memory."""
    (x_train, y_train), (_, y_test) = data
    largest = int(max(y_train.max(), y_test.max()))
    if largest >= len(x_train):
        raise ValueError(
            f"{name}: holds the label {largest} with {len(x_train)} training images; "
            "needed are labels that count the classes from 0"
        )
    if data.classes and largest >= len(data.classes):
        raise ValueError(f"{name}: holds the label {largest} with {len(data.classes)} names of classes")
    return data


def _data(text: str) -> str:
    """Check what was given as data, as far as it can be seen without reading."""
    if text in NAMES or text.endswith(".npz") or Path(text).is_dir():
        return text
    raise argparse.ArgumentTypeError(
        f"{text!r} is neither {' nor '.join(NAMES)} nor a folder nor a file that ends in .npz"
    )
