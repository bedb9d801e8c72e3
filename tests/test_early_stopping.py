"""EarlyStopping, ReduceLROnPlateau, ModelCheckpoint: callbacks that watch a number; CSVLogger."""

import csv
import signal
import time

import numpy as np
import pytest
from model_helpers import assert_same, copy_of, small_data, small_model
from test_callbacks import scripted

import fastnn as fn

X, Y = small_data(20)
NAN = float("nan")


def fit(model, values, callback, *, epochs=None, name="loss"):
    """Train one epoch for each value that `callback` is to see; return the parameters after each."""
    seen = []
    keep = fn.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(copy_of(model.params)))
    callbacks = [scripted(name, values), keep, callback]
    model.fit(X, Y, epochs=epochs or len(values), callbacks=callbacks, validation_split=0.2, verbose=0)
    return seen


@pytest.mark.parametrize(
    ("values", "options", "epochs", "best"),
    [
        ([3, 2, 4, 5, 1], {"patience": 2}, 4, 2),
        ([3, 2, 4, 5, 1], {"patience": 3}, 5, 5),
        ([3, 2, 2, 1], {}, 3, 2),
        ([3, 2, 2, 1], {"patience": 1}, 3, 2),
        ([3, 2, 1], {"patience": 5}, 3, 3),
        ([1, 2, 3], {"patience": 5}, 3, 1),
        ([1, 2, 3, 2], {"patience": 2, "mode": "max"}, 4, 3),
        ([3, 2.9, 2.8, 1], {"patience": 2, "min_delta": 0.3}, 3, 3),
        ([NAN, 2, NAN, 3], {"patience": 2}, 4, 2),
        ([NAN, NAN, NAN], {"patience": 2}, 2, None),
    ],
)
def test_early_stopping(values, options, epochs, best):
    """The best weights are those at the end, stopped early or not."""
    model, stopping = small_model(), fn.EarlyStopping("loss", **options)
    seen = fit(model, values, stopping)
    assert len(seen) == epochs
    assert_same(model.params, seen[(best or epochs) - 1])
    assert stopping.best_epoch == (best or 0)
    assert stopping.stopped_epoch == (epochs if model.stop_training else 0)
    if best:
        assert stopping.best == values[best - 1]


def test_auto_knows_what_is_good():
    for name in ("accuracy", "val_accuracy"):
        model = small_model()
        seen = fit(model, [0.5, 0.7, 0.6], fn.EarlyStopping(name, patience=1), name=name)
        assert_same(model.params, seen[1])


def test_the_best_weights_are_there_also_after_ctrl_c():
    model, stopping = small_model(), fn.EarlyStopping("loss", patience=9)
    seen = []

    def interrupt(epoch, logs):
        seen.append(copy_of(model.params))
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(
            X, Y, epochs=9, verbose=0,
            callbacks=[scripted("loss", [2, 1, 3]), stopping, fn.LambdaCallback(on_epoch_end=interrupt)],
        )  # fmt: skip
    assert_same(model.params, seen[1])


def test_a_second_fit_starts_over():
    model, stopping = small_model(), fn.EarlyStopping("loss", patience=2)
    fit(model, [1, 2, 3, 4], stopping)
    assert stopping.stopped_epoch == 3
    seen = fit(model, [9, 8, 7], stopping)
    assert (stopping.best, stopping.best_epoch, stopping.stopped_epoch) == (7, 3, 0)
    assert_same(model.params, seen[2])


def test_running_statistics_are_restored_too():
    layers = [fn.Conv2D(3, 3), fn.BatchNorm(), fn.Flatten(), fn.Dense(5)]
    model = small_model(layers=layers)
    seen = []
    keep = fn.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(copy_of(model.states)))
    stopping = fn.EarlyStopping("loss", patience=9)
    model.fit(X, Y, epochs=3, callbacks=[scripted("loss", [2, 1, 3]), keep, stopping], verbose=0)
    assert list(model.states) == ["batch_norm/running_mean", "batch_norm/running_var"]
    assert (seen[1]["batch_norm/running_mean"] != seen[2]["batch_norm/running_mean"]).all()
    assert_same(model.states, seen[1])


@pytest.mark.parametrize(
    ("values", "options", "rates"),
    [
        ([3, 3, 3, 3, 3], {"patience": 2}, [1, 1, 1, 0.5, 0.5, 0.25]),
        ([3, 3, 2, 3, 3], {"patience": 2}, [1, 1, 1, 1, 1, 0.5]),
        ([3, 2.9, 2.8, 2.7], {"patience": 1, "min_delta": 0.15}, [1, 1, 0.5, 0.5, 0.25]),
        ([3, 3, 3, 3, 3], {"patience": 1, "cooldown": 1}, [1, 1, 0.5, 0.25, 0.125, 0.0625]),
        ([3, 3, 3, 3, 3], {"patience": 1, "cooldown": 2}, [1, 1, 0.5, 0.5, 0.25, 0.25]),
        ([3, 3, 3, 3], {"patience": 0, "min_lr": 0.3}, [1, 1, 0.5, 0.3, 0.3]),
        ([1, 2, 3, 3, 3], {"patience": 2, "mode": "max"}, [1, 1, 1, 1, 1, 0.5]),
    ],
)
def test_reduce_on_plateau(values, options, rates):
    """The rate of each epoch as Keras has it, and the one after the last."""
    model = small_model(optimizer=fn.SGD(1.0))
    fit(model, values, fn.ReduceLROnPlateau("loss", factor=0.5, **options))
    assert [*model.history["lr"], model.lr] == pytest.approx(rates)


class Saver:
    """Stands for a model's files."""

    def __init__(self, model):
        self.saved = []
        model.save = lambda path: self.saved.append(("model", path, model.training_state.step))
        model.save_checkpoint = lambda path: self.saved.append(("checkpoint", path, model.training_state.step))


def test_model_checkpoint_after_each_epoch():
    model = small_model()
    files = Saver(model)
    fit(model, [0.5, 0.25], fn.ModelCheckpoint("m-{epoch:02d}-{loss:.2f}.st", what="model"))
    assert files.saved == [("model", "m-01-0.50.st", 1), ("model", "m-02-0.25.st", 2)]


def test_model_checkpoint_of_the_best():
    model = small_model()
    files = Saver(model)
    fit(model, [3, 2, 4, NAN, 1], fn.ModelCheckpoint("best-{epoch}", "loss", save_best_only=True))
    assert files.saved == [("checkpoint", f"best-{epoch}", epoch) for epoch in (1, 2, 5)]


def test_model_checkpoint_within_epochs():
    model = small_model()
    files = Saver(model)
    checkpoint = fn.ModelCheckpoint("c-{epoch}", save_freq=3)
    single_steps = fn.LambdaCallback(on_batch_end=lambda batch, logs: None)
    model.fit(X, Y, epochs=2, batch_size=4, callbacks=[checkpoint, single_steps], verbose=0)
    assert [(path, step) for _, path, step in files.saved] == [("c-1", 3), ("c-2", 6), ("c-2", 9)]


def test_model_checkpoint_after_some_seconds(monkeypatch):
    model = small_model()
    files = Saver(model)
    checkpoint = fn.ModelCheckpoint("c-{epoch}", seconds=30)
    # 12 seconds a step: 36 have passed after the third and the sixth.
    monkeypatch.setattr(time, "monotonic", lambda: 12.0 * model.training_state.step)
    single_steps = fn.LambdaCallback(on_batch_end=lambda batch, logs: None)
    model.fit(X, Y, epochs=2, batch_size=4, callbacks=[checkpoint, single_steps], verbose=0)
    assert [(path, step) for _, path, step in files.saved] == [("c-1", 3), ("c-2", 6), ("c-2", 9)]


def test_a_checkpoint_sees_what_the_callbacks_behind_it_decided():
    model, stopping = small_model(), fn.EarlyStopping("loss", patience=1)
    kept = []
    model.save_checkpoint = lambda path: kept.append(model.training_state.as_dict())
    callbacks = [fn.ModelCheckpoint("c"), scripted("loss", [1, 2]), stopping]
    model.fit(X, Y, epochs=9, callbacks=callbacks, verbose=0)
    assert [state["stopped"] for state in kept] == [False, True]
    assert kept[1]["history"]["history"]["loss"] == [1.0, 2.0]
    assert dict(kept[1]["callbacks"])["EarlyStopping"]["waited"] == 1


def test_so_does_one_within_an_epoch():
    model = small_model()
    kept = []
    model.save_checkpoint = lambda path: kept.append(model.training_state.stopped)
    stop = fn.LambdaCallback(on_progress=lambda batch, logs: setattr(model, "stop_training", True))
    model.fit(X, Y, batch_size=4, callbacks=[fn.ModelCheckpoint("c", save_freq=1), stop], verbose=0)
    assert kept == [True]


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    model = small_model()
    lines = []
    peek = fn.LambdaCallback(on_epoch_begin=lambda epoch, logs: lines.append(path.exists() and len(rows(path))))
    history = model.fit(X, Y, epochs=3, callbacks=[fn.CSVLogger(path), peek], verbose=0)
    assert lines == [False, 2, 3]
    table = rows(path)
    assert table[0] == ["epoch", *history]
    for k, row in enumerate(table[1:]):
        assert row[0] == str(k + 1)
        np.testing.assert_array_equal([float(value) for value in row[1:]], [history[name][k] for name in history])
    model.fit(X, Y, epochs=4, initial_epoch=3, callbacks=[fn.CSVLogger(path, append=True)], verbose=0)
    assert [row[0] for row in rows(path)] == ["epoch", "1", "2", "3", "4"]
    model.fit(X, Y, callbacks=[fn.CSVLogger(path)], verbose=0)
    assert [row[0] for row in rows(path)] == ["epoch", "1"]
    with pytest.raises(OSError, match="missing"):
        model.fit(X, Y, callbacks=[fn.CSVLogger(tmp_path / "missing" / "log.csv")], verbose=0)


def test_csv_logger_takes_out_lines_that_are_trained_again(tmp_path):
    path = tmp_path / "log.csv"
    logger = fn.CSVLogger(path)
    logger.on_train_begin({})
    logger.on_epoch_end(0, {"loss": 3.0})
    state = logger.state()
    logger.on_epoch_end(1, {"loss": 2.0})
    other = fn.CSVLogger(path)
    other.on_train_begin({})
    other.restore(state)
    other.on_epoch_end(1, {"loss": 2.5})
    assert rows(path) == [["epoch", "loss"], ["1", "3.0"], ["2", "2.5"]]
    path.unlink()
    other.restore(state)
    other.on_train_begin({})
    other.on_epoch_end(1, {"loss": 2.5})
    assert rows(path) == [["epoch", "loss"], ["2", "2.5"]]


def test_ctrl_c_while_weights_are_put_back_waits(monkeypatch):
    """A second Ctrl-C had left some layers with the best weights and others with the last."""
    model, stopping = small_model(), fn.EarlyStopping("loss", patience=9)
    seen = []
    views = fn.EarlyStopping._views

    def interrupted(callback):
        found = views(callback)
        for name in found:
            if callback.model.training_state.finished == 3 and name == "conv2d/b":
                signal.raise_signal(signal.SIGINT)
        return found

    monkeypatch.setattr(fn.EarlyStopping, "_views", interrupted)
    keep = fn.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(copy_of(model.params)))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            model.fit(X, Y, epochs=3, verbose=0, callbacks=[scripted("loss", [2, 1, 3]), stopping, keep])
    finally:
        signal.signal(signal.SIGINT, before)
    assert_same(model.params, seen[1])
