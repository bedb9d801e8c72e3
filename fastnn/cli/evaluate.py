"""`fastnn evaluate`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .. import jsonfile
from . import data, outputs
from .arguments import positive_int

if TYPE_CHECKING:
    from ..model import Sequential
    from .arguments import Commands

BACKENDS = ("compiled", "reference")


def add(commands: "Commands") -> None:
    """Describe the arguments."""
    parser = commands.add_parser(
        "evaluate", help="print loss and metrics of a saved model on the test part of some data"
    )
    parser.add_argument("model", type=Path, metavar="MODEL", help="a file that train --save has written")
    data.add(parser)
    add_running(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file")
    parser.add_argument("--report", type=Path, metavar="FILE.html", help="write a page with pictures")
    parser.set_defaults(run=run)


def add_running(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say how a model is run."""
    parser.add_argument("--threads", type=positive_int, metavar="N", help="default: all that this process may use")
    parser.add_argument("--backend", choices=BACKENDS, default="compiled", help="default compiled; reference is NumPy")


def open_model(options: argparse.Namespace) -> "Sequential":
    """Load the model that was asked for, to be run as was asked for."""
    import fastnn as fn

    if options.threads is not None:
        fn.set_num_threads(options.threads)
    model = fn.load(options.model)
    model.backend = options.backend
    return model


def run(options: argparse.Namespace) -> None:
    """Evaluate, print, write."""
    outputs.check(json=options.json, report=options.report)
    model = open_model(options)
    if len(model.input_shape) == 3:  # what pictures of a folder are brought to, unless it is said
        options.image_size = options.image_size or model.input_shape[1:]
        options.grayscale = options.grayscale or model.input_shape[0] == 1
    loaded = data.load(options)
    x, y = loaded[1]
    if model._loss is None:
        raise ValueError(f"{options.model}: the model was saved without a loss and metrics: it can only predict")
    if x.shape[1:] != model.input_shape:
        raise ValueError(
            f"{options.data}: its images have shape {x.shape[1:]}, {options.model} takes {model.input_shape}"
        )
    if loaded.classes and model.class_names and loaded.classes != model.class_names:
        raise ValueError(
            f"{options.data}: its classes are {', '.join(loaded.classes)}; "
            f"those of {options.model} are {', '.join(model.class_names)}"
        )
    test = model.evaluate(x, y)
    print(*(f"test {name} {value:.4f}" for name, value in test.items()), sep="\n", flush=True)

    def write_report(path: Path) -> None:
        from .. import report

        title = f"{options.model.name} on {options.data}"
        report.write(path, model, x, y, title=title)

    outputs.write_all(
        (options.json, lambda path: jsonfile.write(path, {"model": options.model, "data": options.data, "test": test})),
        (options.report, write_report),
    )
