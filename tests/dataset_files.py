"""Small files in the formats of the known data sets."""

import gzip
import io
import struct
import tarfile

import numpy as np

IDX_FILES = {
    "train-images{}idx3-ubyte": (20, 28, 28),
    "train-labels{}idx1-ubyte": (20,),
    "t10k-images{}idx3-ubyte": (10, 28, 28),
    "t10k-labels{}idx1-ubyte": (10,),
}
BATCHES = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]


def idx_bytes(values):
    return struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape) + values.tobytes()


def write_mnist(folder, *, dot="-", packed=False):
    """Write a small MNIST; give the four arrays."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    arrays = []
    for name, shape in IDX_FILES.items():
        high = 256 if len(shape) == 3 else 10
        values = rng.integers(0, high, shape, dtype=np.uint8)
        data = idx_bytes(values)
        path = folder / (name.format(dot) + (".gz" if packed else ""))
        path.write_bytes(gzip.compress(data) if packed else data)
        arrays.append(values)
    return arrays


def cifar_batches(rows=3):
    """Give random pixels and labels for each batch of CIFAR-10."""
    rng = np.random.default_rng(0)
    return {
        name: (rng.integers(0, 256, (rows, 3072), dtype=np.uint8), rng.integers(0, 10, rows, dtype=np.uint8))
        for name in BATCHES
    }


def binary_batch(pixels, labels):
    return np.concatenate([labels[:, None], pixels], axis=1).tobytes()


def python2_batch(pixels, labels, *, dtype=b"u1", order=b"\x89", function=b"numpy.core.multiarray\n_reconstruct\n"):
    """Pickle a batch as Python 2 did, protocol 2: no library of today writes its byte strings."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    def integer(value):
        return b"J" + struct.pack("<i", value)

    kind = b"cnumpy\ndtype\n" + text(dtype) + integer(0) + integer(1) + b"\x87R"
    kind += b"(" + integer(3) + text(b"|") + b"NNN" + integer(-1) + integer(-1) + integer(0) + b"tb"
    raw = pixels.tobytes()
    array = b"c" + function + b"cnumpy\nndarray\n" + integer(0) + b"\x85" + text(b"b") + b"\x87R"
    array += b"(" + integer(1) + integer(pixels.shape[0]) + integer(pixels.shape[1]) + b"\x86" + kind
    array += order + b"T" + struct.pack("<i", len(raw)) + raw + b"tb"
    numbers = b"](" + b"".join(integer(int(k)) for k in labels) + b"e"
    items = text(b"batch_label") + text(b"testing batch 1 of 1") + text(b"labels") + numbers
    return b"\x80\x02}(" + items + text(b"data") + array + b"u."


def write_archive(path, members):
    """Write a tar.gz with files of these names and bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
