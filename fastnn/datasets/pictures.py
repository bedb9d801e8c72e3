"""Read picture files (PNG, JPEG, ...) by Pillow."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Size = tuple[int, int]


def require_pillow(function: str) -> Any:
    """Import Pillow, or say how to install it."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError(
            f'{function}: pictures are read by Pillow: pip install "fastnn-numba[images]" ({error})'
        ) from error
    return Image, ImageOps


def suffixes(function: str) -> set[str]:
    """Give the endings of the files that can be read, in lower case."""
    image, _ = require_pillow(function)
    known = image.registered_extensions()
    return {ending for ending, kind in known.items() if kind in image.OPEN}


def read_picture(path: Path, size: Size | None, *, grayscale: bool) -> NDArray[np.uint8]:
    """Read one picture.

    Parameters
    ----------
    path : Path
        The file; of several frames the first is taken, and it is turned as its EXIF orientation says.
    size : (height, width) or None
        Size to resample to (bilinear, averaging where it shrinks); None keeps the picture's own.
    grayscale : bool
        One channel (ITU-R 601 luma) or three. Transparency is dropped; 16 bits become 8.

    Returns
    -------
    ndarray of uint8, shape (1 or 3, H, W)

    Raises
    ------
    OSError
        If the file cannot be opened.
    ValueError
        If it is no whole picture, or one of more than 178 million pixels.
    """
    image, ops = require_pillow("read_picture")
    with path.open("rb") as file:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", image.DecompressionBombWarning)
                with image.open(file) as opened:
                    picture = ops.exif_transpose(opened)
                    if picture.mode.startswith("I;16"):
                        picture = image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
                    elif picture.mode in ("I", "F"):
                        raise ValueError("32 bits a pixel; 8 or 16 are read")
                    picture = picture.convert("L" if grayscale else "RGB")
                    if size is not None and picture.size != (size[1], size[0]):
                        picture = picture.resize((size[1], size[0]), image.Resampling.BILINEAR)
                    pixels = np.asarray(picture, dtype=np.uint8)
        except MemoryError:
            raise
        except Exception as error:  # which damaged files raise of every kind
            raise ValueError(_reason(error)) from error
    channels = pixels[None] if grayscale else pixels.transpose(2, 0, 1)
    return np.ascontiguousarray(channels)


def _reason(error: Exception) -> str:
    """Say what is wrong without the name of the open file."""
    if type(error).__name__ == "UnidentifiedImageError":
        return "no picture"
    return str(error) or type(error).__name__
