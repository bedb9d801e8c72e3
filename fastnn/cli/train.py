"""`fastnn train`."""

import argparse
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import jsonfile
from . import data, evaluate, outputs
from .arguments import batch_size, not_negative, positive_float, positive_int, share

if TYPE_CHECKING:
    from ..datasets import TrainTest
    from ..model import Sequential
    from .arguments import Commands

MODELS = ("small_cnn", "lenet5")
# name: class, learning rate where none is given
OPTIMIZERS = {
    "sgd": ("SGD", 0.1),
    "momentum": ("Momentum", 0.02),
    "adagrad": ("Adagrad", 0.02),
    "rmsprop": ("RMSprop", 1e-3),
    "adam": ("Adam", 2e-3),
    "adamw": ("AdamW", 2e-3),
    "nadam": ("NAdam", 2e-3),
}
NOT_SETTINGS = ("command", "run", "json", "report")


def add(commands: "Commands") -> None:
    """Describe the arguments."""
    parser = commands.add_parser("train", help="train a model and print its test accuracy")
    data.add(parser)
    add = parser.add_argument_group("model and training").add_argument
    add("--model", choices=MODELS, default="small_cnn", help="default %(default)s")
    add("--epochs", type=positive_int, default=20, metavar="N", help="default %(default)s")
    add("--batch-size", type=batch_size, default=32, metavar="N|full", help="default %(default)s")
    add("--optimizer", choices=OPTIMIZERS, default="adam", help="default %(default)s")
    rates = ", ".join(f"{rate} for {name}" for name, (_, rate) in OPTIMIZERS.items())
    add("--lr", type=positive_float, metavar="X", help=f"learning rate, default {rates}")
    add("--weight-decay", type=not_negative, default=0.0, metavar="X", help="default %(default)s")
    add("--validation-split", type=share, default=0.0, metavar="SHARE", help="of the training images, not trained on")
    evaluate.add_running(parser)
    add = parser.add_argument_group("files").add_argument
    add("--save", type=Path, metavar="PATH", help="write the trained model to this file")
    add("--json", type=Path, metavar="FILE", help="write configuration, history and result to this file")
    add("--report", type=Path, metavar="FILE.html", help="write a page with curves and pictures")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Train, evaluate, print the accuracy, write the files."""
    outputs.check(save=options.save, json=options.json, report=options.report)
    loaded = data.load(options)
    names = data.class_names(loaded)
    (x_train, y_train), (x_test, y_test) = loaded

    # Here, so that wrong arguments and data are reported at once.
    import fastnn as fn

    if options.threads is not None:
        fn.set_num_threads(options.threads)
    model = _model(options, x_train.shape[1:], names)
    history = model.fit(
        x_train,
        y_train,
        epochs=options.epochs,
        batch_size=options.batch_size,
        validation_split=options.validation_split,
    )
    test = model.evaluate(x_test, y_test)
    print(f"test accuracy {test['accuracy']:.4f}", flush=True)  # before the files, which a full disk may refuse
    given = {key: value for key, value in vars(options).items() if key not in NOT_SETTINGS}
    config = {**given, "lr": model.lr, "threads": fn.get_num_threads()}
    result = {
        "config": {**config, "input_shape": model.input_shape, "classes": len(names)},
        "history": history.history,
        "test": {name: test[name] for name in ("loss", "accuracy")},
        "images_per_second": statistics.median(history["images_per_second"]),
        "compile_seconds": model.compile_seconds,
    }
    outputs.write_all(
        (options.save, model.save),
        (options.report, lambda path: _report(path, model, loaded, config)),
        (options.json, lambda path: jsonfile.write(path, result)),
    )


def _model(options: argparse.Namespace, input_shape: tuple[int, ...], names: tuple[str, ...]) -> "Sequential":
    """Build and compile the model that was asked for."""
    from .. import models, optimizers

    class_name, default_rate = OPTIMIZERS[options.optimizer]
    rate = default_rate if options.lr is None else options.lr
    model: Sequential = getattr(models, options.model)(input_shape, len(names), seed=options.seed)
    model.class_names = names
    model.backend = options.backend
    optimizer = getattr(optimizers, class_name)(rate, weight_decay=options.weight_decay)
    model.compile(optimizer=optimizer, loss="softmax_cross_entropy", metrics=["accuracy"])
    return model


def _report(path: Path, model: "Sequential", loaded: "TrainTest", config: dict[str, Any]) -> None:
    from .. import report

    title = f"{config['model']} on {config['data']}"
    report.write(path, model, *loaded[1], config=config, title=title)
