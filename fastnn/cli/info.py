"""`fastnn info`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .. import jsonfile

if TYPE_CHECKING:
    from .arguments import Commands

STDOUT = Path("-")


def add(commands: "Commands") -> None:
    """Describe the arguments."""
    parser = commands.add_parser("info", help="print versions, processor, lanes, threads and cache folder")
    parser.add_argument("--json", type=Path, nargs="?", const=STDOUT, metavar="FILE", help="as JSON, to FILE if given")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Print, and write if asked, what this installation runs on."""
    to_file = options.json is not None and options.json != STDOUT
    if to_file:
        jsonfile.check_writable(options.json)
    from .. import info

    facts = info.collect()
    if to_file:
        jsonfile.write(options.json, facts)
    print(jsonfile.as_text(facts) if options.json == STDOUT else info.as_text(facts))
