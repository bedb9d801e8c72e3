"""What all commands have in common: how they are called, and how they end."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from . import evaluate, info, predict, profile, train, warmup

COMMANDS = (train, evaluate, predict, profile, warmup, info)


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
        options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt as interrupt:
        print("fastnn:", *(interrupt.args or ["interrupted"]), file=sys.stderr)
        return 130
    except OSError as error:
        _silence_stdout()
        where = f"{os.fspath(error.filename)}: " if error.filename is not None else ""
        return _fail(f"{where}{error.strerror or error}")
    except (ValueError, ImportError, MemoryError) as error:
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
    names = ",".join(module.__name__.rpartition(".")[2] for module in COMMANDS)
    commands = parser.add_subparsers(dest="command", required=True, metavar=f"{{{names}}}")
    for module in COMMANDS:
        module.add(commands)
    return parser
