"""`fastnn profile kernels`."""

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .. import atomic, jsonfile
from ..progress import StatusLine
from . import outputs
from .arguments import positive_int

if TYPE_CHECKING:
    from .arguments import Commands


def add(commands: "Commands") -> None:
    """Describe the arguments."""
    parser = commands.add_parser("profile", help="time kernels beside NumPy, loops in Python and PyTorch")
    profiles = parser.add_subparsers(dest="profile", required=True, metavar="{kernels}")
    _add_kernels(profiles)


def _add_kernels(profiles: "Commands") -> None:
    parser = profiles.add_parser("kernels", help="time the public kernels on shapes of small CNNs")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a kernel, as conv2d; default all")
    parser.add_argument("--shape", default="", metavar="TEXT", help="only shapes with this text, as LeNet or 128x6x")
    parser.add_argument("--no-loops", action="store_true", help="leave out the loops in plain Python")
    parser.add_argument("--no-torch", action="store_true", help="leave out PyTorch, which is timed where installed")
    add_common(parser)
    parser.set_defaults(run=run_kernels)


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that all profiles have."""
    parser.add_argument("--threads", type=positive_int, metavar="N", help="default: all that this process may use")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the figures to this file, a line a row")
    parser.add_argument("--html", type=Path, metavar="FILE.html", help="write a page with pictures")


def width() -> int | None:
    """Give the width of the terminal, or None for a file or pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def run_kernels(options: argparse.Namespace) -> None:
    """Measure, print, write; what was done before Ctrl-C is shown too."""
    outputs.check(json=options.json, csv=options.csv, html=options.html)

    # Here, so that wrong arguments are reported at once.
    from .. import profile

    with StatusLine(sys.stderr) as status:
        found = profile.kernels(
            options.names,
            shape=options.shape,
            threads=options.threads,
            loops=not options.no_loops,
            torch=not options.no_torch,
            progress=status.show,
        )
    print(found.as_text(width()), flush=True)
    outputs.write_all(
        (options.json, lambda path: jsonfile.write(path, found.to_dict())),
        (options.csv, lambda path: atomic.write(path, found.to_csv().encode())),
        (options.html, lambda path: atomic.write(path, found.to_html().encode())),
    )
    if found.interrupted:
        raise KeyboardInterrupt
