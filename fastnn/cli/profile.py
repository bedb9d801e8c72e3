"""`fastnn profile kernels` and `fastnn profile model`."""

import argparse
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import atomic, jsonfile
from ..progress import StatusLine
from . import outputs
from .arguments import positive_int
from .train import MODELS

if TYPE_CHECKING:
    from ..model import Sequential
    from .arguments import Commands


def add(commands: "Commands") -> None:
    """Describe the arguments."""
    parser = commands.add_parser("profile", help="time kernels beside NumPy, loops and PyTorch; or a model's layers")
    profiles = parser.add_subparsers(dest="profile", required=True, metavar="{kernels,model}")
    _add_kernels(profiles)
    _add_model(profiles)


def _add_kernels(profiles: "Commands") -> None:
    parser = profiles.add_parser("kernels", help="time the public kernels on shapes of small CNNs")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a kernel, as conv2d; default all")
    parser.add_argument("--shape", default="", metavar="TEXT", help="only shapes with this text, as LeNet or 128x6x")
    parser.add_argument("--no-loops", action="store_true", help="leave out the loops in plain Python")
    parser.add_argument("--no-torch", action="store_true", help="leave out PyTorch, which is timed where installed")
    add_common(parser)
    parser.set_defaults(run=run_kernels)


def _add_model(profiles: "Commands") -> None:
    parser = profiles.add_parser("model", help="tell what each layer of a model takes of a training step")
    parser.add_argument("model", metavar="MODEL", help=f"of {', '.join(MODELS)}, or a file of train --save")
    parser.add_argument("--batch-size", type=positive_int, default=128, metavar="N", help="default %(default)s")
    parser.add_argument("--unfused", action="store_true", help="give every layer a pass of its own")
    parser.add_argument("--no-reference", action="store_true", help="leave out the step with NumPy")
    add_common(parser)
    parser.set_defaults(run=run_model)


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

    with _nothing_yet(), StatusLine(sys.stderr) as status:
        # Here, so that wrong arguments are reported at once.
        from .. import profile

        found = profile.kernels(
            options.names,
            shape=options.shape,
            threads=options.threads,
            loops=not options.no_loops,
            torch=not options.no_torch,
            progress=status.show,
        )
    _show(found, options)


def run_model(options: argparse.Namespace) -> None:
    """Measure steps on random images, print, write."""
    outputs.check(json=options.json, csv=options.csv, html=options.html)
    path = Path(options.model)
    if options.model not in MODELS and not path.exists():
        raise ValueError(f"profile model: {options.model!r} is none of {', '.join(MODELS)}, and no file")

    with _nothing_yet(), StatusLine(sys.stderr) as status:
        from .. import profile

        model = _preset(options.model) if options.model in MODELS else _saved(path)
        x, y = _random_data(model, options.batch_size)
        found = profile.model(
            model, x, y,
            batch_size=options.batch_size,
            threads=options.threads,
            fused=not options.unfused,
            reference=not options.no_reference,
            progress=status.show,
        )  # fmt: skip
    _show(found, options)


@contextmanager
def _nothing_yet() -> Iterator[None]:
    """Say that a Ctrl-C that comes out of a measurement has left nothing to show."""
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted before anything was measured") from None


def _preset(name: str) -> "Sequential":
    from .. import models

    shape = (1, 28, 28) if name in ("mlp", "lenet5", "small_cnn") else (3, 32, 32)
    model: Sequential = getattr(models, name)(shape, 10)
    model.compile("adam", "softmax_cross_entropy")
    return model


def _saved(path: Path) -> "Sequential":
    import fastnn as fn

    model = fn.load(path)
    if model._loss is None:
        raise ValueError(f"{path}: the model was saved without a loss: it has no training step")
    return model


def _random_data(model: "Sequential", batch: int) -> tuple[Any, Any]:
    """Make images and targets for a model; the time does not depend on the numbers."""
    import numpy as np

    rng, n, shape = np.random.default_rng(0), 4 * batch, model.output_shape
    try:
        x = rng.random((n, *model.input_shape), dtype=np.float32)
    except (MemoryError, OverflowError, ValueError):
        raise ValueError(f"profile model: --batch-size is {batch}: {n} images need more memory than there is") from None
    # Labels where the loss takes them, else numbers between 0 and 1 whose sum is 1.
    for y in (rng.integers(0, max(2, shape[0]), n), rng.dirichlet(np.ones(max(1, shape[0])), n).reshape(n, *shape)):
        try:
            model._batch("profile model", x, y)
        except (TypeError, ValueError):
            continue
        return x, y
    raise ValueError("profile model: no random targets fit the model's loss; model.profile(x, y) takes your own")


def _show(found: Any, options: argparse.Namespace) -> None:
    print(found.as_text(width()), flush=True)
    outputs.write_all(
        (options.json, lambda path: jsonfile.write(path, found.to_dict())),
        (options.csv, lambda path: atomic.write(path, found.to_csv().encode())),
        (options.html, lambda path: atomic.write(path, found.to_html().encode())),
    )
    if found.interrupted:
        raise KeyboardInterrupt
