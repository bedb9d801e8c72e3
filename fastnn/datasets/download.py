"""Fetch the files of a data set into the user's cache, each checked by its sha256. Only where it is asked for."""

import sys
from dataclasses import dataclass
from pathlib import Path

from .folders import user_cache_dir


@dataclass(frozen=True)
class Source:
    """Where the files of a data set are: the address of their folder, and the sha256 of each file."""

    address: str
    files: dict[str, str]


SOURCES = {
    "mnist": Source(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        {
            "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        },
    ),
    "fashion_mnist": Source(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/"
        "b2617bb6d3ffa2e429640350f613e3291e10b141/data/fashion/",
        {
            "train-images-idx3-ubyte.gz": "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "train-labels-idx1-ubyte.gz": "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "t10k-images-idx3-ubyte.gz": "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "t10k-labels-idx1-ubyte.gz": "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        },
    ),
    "cifar10": Source(
        "https://www.cs.toronto.edu/~kriz/",
        {"cifar-10-binary.tar.gz": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
    ),
}


def fetch(name: str, folder: str) -> Path:
    """Download the files of a data set that are not yet there, with a line on stderr for each.

    Parameters
    ----------
    name : str
        Key of SOURCES.
    folder : str
        Name of the folder below the user's cache folder.

    Returns
    -------
    Path
        The folder with the files. A file that could not be fetched whole, or has another sha256, is not kept.

    Raises
    ------
    ImportError
        If pooch is not installed.
    OSError
        If there is no cache folder, no network, no such file, or no room on the disk.
    ValueError
        If what came is not the file with this sha256.
    """
    try:
        import pooch
    except ImportError as error:
        raise ImportError(f'{name}: a download needs pooch: pip install "fastnn-numba[download]" ({error})') from error
    cache = user_cache_dir()
    if cache is None:
        raise OSError(f"{name}: no folder to download to: the user has no home folder; set XDG_CACHE_HOME")
    source, target = SOURCES[name], cache / folder
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")  # what goes wrong is raised, and what goes well is seen from the result
    try:
        for file, sha256 in source.files.items():
            address = source.address + file
            if not (target / file).exists():
                print(f"downloading {address}", file=sys.stderr, flush=True)
            try:
                pooch.retrieve(address, known_hash=f"sha256:{sha256}", fname=file, path=target)
            except ValueError as error:
                raise ValueError(f"{name}: {address} is not the file that was expected: {error}") from error
            except OSError as error:  # those of requests are OSErrors too
                raise OSError(f"{name}: {address} could not be downloaded to {target}: {error}") from error
    finally:
        logger.setLevel(level)
    return target
