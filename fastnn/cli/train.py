"""`fastnn train`."""

import argparse
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import jsonfile
from . import augmentation, data, evaluate, outputs
from .arguments import batch_size, not_negative, positive_float, positive_int, share

if TYPE_CHECKING:
    from ..datasets import TrainTest
    from ..history import History
    from ..initializers import Array
    from ..model import Sequential
    from .arguments import Commands

MODELS = ("mlp", "lenet5", "small_cnn", "vgg_small", "resnet8")
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
SCHEDULES = ("constant", "step", "exponential", "cosine", "one-cycle")
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
    add(
        "--schedule",
        choices=SCHEDULES,
        default="constant",
        help="of the learning rate, over all epochs: step is a tenth after each third, exponential a hundredth at "
        "the end; default %(default)s",
    )
    add("--warmup-epochs", type=positive_float, metavar="X", help="epochs in which the learning rate grows from 0")
    add("--augment", type=augmentation.parse, default=[], metavar="STEP,...", help=augmentation.HELP)
    add("--validation-split", type=share, default=0.0, metavar="SHARE", help="of the training images, not trained on")
    add("--early-stopping", type=positive_int, metavar="PATIENCE", help="epochs without a better validation loss")
    evaluate.add_running(parser)
    add = parser.add_argument_group("files").add_argument
    add("--save", type=Path, metavar="PATH", help="write the trained model to this file")
    add("--checkpoint", type=Path, metavar="PATH", help="write this file after each epoch, and on Ctrl-C")
    add("--resume", type=Path, metavar="PATH", help="go on from a checkpoint, and go on writing it")
    add("--json", type=Path, metavar="FILE", help="write configuration, history and result to this file")
    add("--report", type=Path, metavar="FILE.html", help="write a page with curves and pictures")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Train, evaluate, print the accuracy, write the files."""
    if options.early_stopping and not options.validation_split:
        raise ValueError("--early-stopping watches the validation loss: it needs --validation-split")
    checkpoint = options.checkpoint or options.resume
    outputs.check(save=options.save, checkpoint=checkpoint, json=options.json, report=options.report)
    loaded = data.load(options)
    names = data.class_names(loaded)
    (x_train, y_train), (x_test, y_test) = loaded

    # Here, so that wrong arguments and data are reported at once.
    import fastnn as fn

    if options.threads is not None:
        fn.set_num_threads(options.threads)
    model = _model(options, x_train.shape[1:], names)
    history = _fit(model, options, checkpoint, x_train, y_train)
    test = model.evaluate(x_test, y_test)
    print(f"test accuracy {test['accuracy']:.4f}", flush=True)  # before the files, which a full disk may refuse
    given = {key: value for key, value in vars(options).items() if key not in NOT_SETTINGS}
    config = {
        **given,
        "augment": augmentation.as_text(options.augment),
        "lr": model.lr,
        "threads": fn.get_num_threads(),
    }
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
    optimizer = getattr(optimizers, class_name)(
        rate, weight_decay=options.weight_decay, schedule=_schedule(options.schedule, options)
    )
    model.compile(optimizer=optimizer, loss="softmax_cross_entropy", metrics=["accuracy"])
    return model


def _schedule(name: str, options: argparse.Namespace) -> Any:
    """Make the schedule that was asked for, over the whole training; None is a constant rate."""
    from .. import schedules

    chosen: schedules.Schedule | None = None
    if name == "step":
        chosen = schedules.Step(epochs=options.epochs / 3)
    elif name == "exponential":
        chosen = schedules.Exponential(0.01, epochs=options.epochs)
    elif name == "cosine":
        chosen = schedules.Cosine()
    elif name == "one-cycle":
        chosen = schedules.OneCycle()
    if options.warmup_epochs is None:
        return chosen
    return schedules.LinearWarmup(chosen or schedules.Constant(), epochs=options.warmup_epochs)


def _fit(
    model: "Sequential", options: argparse.Namespace, checkpoint: Path | None, x: "Array", y: "Array"
) -> "History":
    """Train; on Ctrl-C keep what there is of a checkpoint, and say so."""
    from .. import callbacks

    called: list[callbacks.Callback] = []
    if options.early_stopping:
        called.append(callbacks.EarlyStopping(patience=options.early_stopping))
    if checkpoint:
        called.append(callbacks.ModelCheckpoint(checkpoint))
    try:
        return model.fit(
            x,
            y,
            epochs=options.epochs,
            batch_size=options.batch_size,
            validation_split=options.validation_split,
            callbacks=called,
            augment=augmentation.build(options.augment, model.input_shape),
            resume=options.resume,
        )
    except KeyboardInterrupt:
        # Early stopping has put the best weights back, from which training cannot go on; without a step done there
        # is nothing to keep, and perhaps a checkpoint to lose.
        if checkpoint and not options.early_stopping and model.training_state.step:
            model.save_checkpoint(checkpoint)
        kept = f" (checkpoint kept: {checkpoint})" if checkpoint and checkpoint.exists() else ""
        raise KeyboardInterrupt(f"interrupted{kept}") from None


def _report(path: Path, model: "Sequential", loaded: "TrainTest", config: dict[str, Any]) -> None:
    from .. import report

    title = f"{config['model']} on {config['data']}"
    report.write(path, model, *loaded[1], config=config, title=title)
