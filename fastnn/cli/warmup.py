"""`fastnn warmup`."""

import argparse
import time
from typing import TYPE_CHECKING

from .arguments import positive_int
from .train import MODELS, OPTIMIZERS

if TYPE_CHECKING:
    from .arguments import Commands

SHAPES = ((1, 8, 8), (1, 28, 28), (3, 32, 32))  # of the known data sets
CLASSES = 10


def add(commands: "Commands") -> None:
    """Describe the arguments."""
    parser = commands.add_parser(
        "warmup", help="compile the kernels of the presets now, so that training starts at once"
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(MODELS)}; default all")
    parser.add_argument("--batch-size", type=positive_int, default=32, metavar="N", help="default %(default)s")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Compile what training, evaluating and predicting need, for each preset and each optimizer."""
    for name in options.models:
        if name not in MODELS:
            raise ValueError(f"warmup: {name!r} is none of {', '.join(MODELS)}")

    import fastnn as fn
    from fastnn import models, optimizers

    for name in options.models or MODELS:
        start = time.perf_counter()
        for shape in SHAPES:
            try:
                model = getattr(models, name)(shape, CLASSES)
            except ValueError:  # images too small for this preset
                continue
            # An optimizer's kernels are the same for every model.
            wanted = OPTIMIZERS.values() if shape == SHAPES[-1] else [OPTIMIZERS["adam"]]
            for optimizer, rate in wanted:
                model.compile(getattr(optimizers, optimizer)(rate), "softmax_cross_entropy", ["accuracy"])
                fn.warmup(model, options.batch_size)
        print(f"{name}  {time.perf_counter() - start:.1f} s", flush=True)
