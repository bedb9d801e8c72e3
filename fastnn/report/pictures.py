"""Arrays as pictures: PNG files in data addresses, so that a page needs no other file."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

from ..initializers import Array


def data_address(pixels: Array) -> str:
    """Give the address of a picture (H, W) grey or (H, W, 3), uint8, that holds the picture itself."""
    return "data:image/png;base64," + base64.b64encode(png(pixels)).decode("ascii")


def png(pixels: Array) -> bytes:
    """Write a PNG file of (H, W) grey or (H, W, 3) pixels, uint8 (W3C, Portable Network Graphics, 2003)."""
    height, width = pixels.shape[:2]
    colour = 2 if pixels.ndim == 3 else 0
    rows = pixels.reshape(height, -1)
    unfiltered = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(unfiltered.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def of_images(images: Array) -> list[Array]:
    """Turn images (N, C, H, W) into pixels: (H, W, 3) for three channels, else the first channel, (H, W).

    uint8 is taken as it is, floats from 0 to 1 are scaled; other floats are stretched from the least to the largest
    value of all images.
    """
    if images.dtype != np.uint8:
        low, high = float(images.min()), float(images.max())
        if low >= 0 and high <= 1:
            low, high = 0.0, 1.0
        scaled = (images.astype(np.float64) - low) / ((high - low) or 1.0)
        images = np.rint(np.nan_to_num(scaled) * 255).astype(np.uint8)
    if images.shape[1] == 3:
        return list(images.transpose(0, 2, 3, 1))
    return list(images[:, 0])


def of_weights(weights: Array) -> list[Array]:
    """Turn filters (N, C, H, W) into pixels, where 0 is mid-grey, and the largest weight of each black or white.

    Filters of three channels are shown in colour; of others each channel is a picture of its own.
    """
    if weights.shape[1] != 3:
        weights = weights.reshape(-1, 1, *weights.shape[2:])
    largest = np.abs(weights).max(axis=(1, 2, 3), keepdims=True)
    unit = np.nan_to_num(weights / np.where(largest > 0, largest, 1))
    return of_images(np.rint(127.5 + 127.5 * unit).astype(np.uint8))
