"""The command line: `fastnn train` and `fastnn info`.

Exit codes: 0 done, 2 wrong arguments, data or files (one line on stderr), 130 interrupted.
"""

import argparse
import math
import os
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from . import jsonfile

if TYPE_CHECKING:
    from .datasets import TrainTest

DATA = ("digits", "mnist")
MODELS = ("small_cnn", "lenet5")
# name: class, learning rate where none is given
OPTIMIZERS = {"adam": ("Adam", 2e-3), "momentum": ("Momentum", 0.02), "sgd": ("SGD", 0.1)}
STDOUT = Path("-")
BACKENDS = ("compiled", "reference")


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all errors of this command are."""

    def error(self, message: str) -> NoReturn:
        """Leave with exit code 2."""
        self.exit(2, f"fastnn: error: {message} (see '{self.prog} --help')\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int
        0 done, 2 wrong arguments, data or files, 130 interrupted.
    """
    try:
        options = _parser().parse_args(argv)
        run = {"train": _train, "info": _info}[options.command]
        run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("fastnn: interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        _silence_stdout()
        where = f"{os.fspath(error.filename)}: " if error.filename is not None else ""
        return _fail(f"{where}{error.strerror or error}")
    except (ValueError, MemoryError) as error:
        return _fail(str(error) or "out of memory")
    return 0


def _fail(message: str) -> int:
    """Print one line that says what is wrong."""
    print("fastnn: error:", " ".join(message.split()), file=sys.stderr)
    return 2


def _silence_stdout() -> None:
    """Keep Python from reporting once more, at its end, that stdout cannot be written to."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    """Describe the arguments."""
    parser = _Parser(prog="fastnn", description="Train small CNNs on the CPU.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="{train,info}")

    train = commands.add_parser("train", help="train a model and print its test accuracy")
    add = train.add_argument
    add("--data", type=_data, default="digits", metavar="digits|mnist|FILE.npz", help="default %(default)s")
    add("--data-dir", type=Path, metavar="FOLDER", help="folder to look for data in first")
    add("--model", choices=MODELS, default="small_cnn", help="default %(default)s")
    add("--epochs", type=_positive_int, default=20, metavar="N", help="default %(default)s")
    add("--batch-size", type=_batch_size, default=32, metavar="N|full", help="default %(default)s")
    add("--optimizer", choices=sorted(OPTIMIZERS), default="adam", help="default %(default)s")
    rates = ", ".join(f"{rate} for {name}" for name, (_, rate) in sorted(OPTIMIZERS.items()))
    add("--lr", type=_positive_float, metavar="X", help=f"learning rate, default {rates}")
    add("--threads", type=_positive_int, metavar="N", help="default: all that this process may use")
    add("--seed", type=_seed, default=0, metavar="N", help="of weights, order and split; default %(default)s")
    add("--backend", choices=BACKENDS, default="compiled", help="default compiled; reference is NumPy")
    add("--json", type=Path, metavar="FILE", help="write configuration, history and result to this file")

    info = commands.add_parser("info", help="print versions, processor, lanes, threads and cache folder")
    info.add_argument(
        "--json", type=Path, nargs="?", const=STDOUT, metavar="FILE", help="as JSON, to FILE if given"
    )
    return parser


def _train(options: argparse.Namespace) -> None:
    """Train, evaluate, print the accuracy, write the JSON file."""
    if options.json:
        jsonfile.check_writable(options.json)
    (x_train, y_train), (x_test, y_test) = _load(options)
    classes = 1 + int(max(y_train.max(), y_test.max()))
    if classes > len(x_train):
        raise ValueError(
            f"{options.data}: holds the label {classes - 1} with {len(x_train)} training images; "
            "needed are labels that count the classes from 0"
        )

    # Here, so that wrong arguments and data are reported at once.
    import fastnn as fn
    from fastnn import models

    if options.threads is not None:
        fn.set_num_threads(options.threads)
    class_name, default_rate = OPTIMIZERS[options.optimizer]
    rate = default_rate if options.lr is None else options.lr
    model = getattr(models, options.model)(x_train.shape[1:], classes, seed=options.seed)
    model.backend = options.backend
    optimizer = getattr(fn, class_name)(rate)
    model.compile(optimizer=optimizer, loss="softmax_cross_entropy", metrics=["accuracy"])
    history = model.fit(x_train, y_train, epochs=options.epochs, batch_size=options.batch_size).history
    test = model.evaluate(x_test, y_test)
    print(f"test accuracy {test['accuracy']:.4f}", flush=True)  # before the file, which a full disk may refuse
    if options.json:
        given = {key: value for key, value in vars(options).items() if key not in ("command", "json")}
        used = {"lr": rate, "threads": fn.get_num_threads()}
        result = {
            "config": {**given, **used, "input_shape": x_train.shape[1:], "classes": classes},
            "history": history,
            "test": {name: test[name] for name in ("loss", "accuracy")},
            "images_per_second": statistics.median(history["images_per_second"]),
            "compile_seconds": model.compile_seconds,
        }
        jsonfile.write(options.json, result)


def _load(options: argparse.Namespace) -> "TrainTest":
    """Read the data set that was asked for."""
    from . import datasets

    if options.data == "digits":
        return datasets.digits(seed=options.seed)
    if options.data == "mnist":
        return datasets.mnist(options.data_dir)
    return datasets.load_npz(options.data, seed=options.seed)


def _info(options: argparse.Namespace) -> None:
    """Print, and write if asked, what this installation runs on."""
    to_file = options.json is not None and options.json != STDOUT
    if to_file:
        jsonfile.check_writable(options.json)
    from . import info

    facts = info.collect()
    if to_file:
        jsonfile.write(options.json, facts)
    print(jsonfile.as_text(facts) if options.json == STDOUT else info.as_text(facts))


def _data(text: str) -> str:
    """Check the name of a data set."""
    if text in DATA or text.endswith(".npz"):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is neither {' nor '.join(DATA)} nor a file that ends in .npz")


def _positive_int(text: str) -> int:
    """Read a whole number of at least 1."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return number


def _batch_size(text: str) -> int | str:
    """Read a batch size."""
    return text if text == "full" else _positive_int(text)


def _seed(text: str) -> int:
    """Read a seed."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to {2**32 - 1}")
    return int(text)


def _positive_float(text: str) -> float:
    """Read a positive, finite number."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no positive number")
    return number
