"""Callbacks: when they are called, what they may do, and what their exceptions leave behind."""

import numpy as np
import pytest
from model_helpers import Interrupting, assert_same, both_backends, small_data, small_model, state_of

import fastnn as fn

X, Y = small_data(20)
HOOKS = ["on_train_begin", "on_epoch_begin", "on_batch_begin", "on_batch_end", "on_progress", "on_epoch_end"]


class Recorder(fn.Callback):
    """Writes down every call."""

    def __init__(self):
        self.calls = []

    def on_train_begin(self, logs):
        self.calls.append(("train_begin", dict(logs)))

    def on_train_end(self, logs):
        self.calls.append(("train_end", dict(logs)))

    def on_epoch_begin(self, epoch, logs):
        self.calls.append(("epoch_begin", epoch, dict(logs)))

    def on_epoch_end(self, epoch, logs):
        self.calls.append(("epoch_end", epoch, dict(logs)))


class StepRecorder(Recorder):
    def on_batch_begin(self, batch, logs):
        self.calls.append(("batch_begin", batch, dict(logs)))

    def on_batch_end(self, batch, logs):
        self.calls.append(("batch_end", batch, dict(logs)))

    def on_progress(self, batch, logs):
        self.calls.append(("progress", batch, dict(logs)))


def scripted(name, values):
    """A callback that writes values of our own into the logs, for those behind it."""
    return fn.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update({name: values[epoch]}))


def test_the_order_of_the_hooks_and_what_they_get():
    recorder, model = StepRecorder(), small_model()
    history = model.fit(X, Y, epochs=2, batch_size=8, validation_split=0.2, callbacks=[recorder], verbose=0)
    step = [[("batch_begin", k), ("batch_end", k), ("progress", k)] for k in range(2)]
    epochs = [[("epoch_begin", e), *step[0], *step[1], ("epoch_end", e)] for e in range(2)]
    expected = [("train_begin",), *epochs[0], *epochs[1], ("train_end",)]
    assert [call[:-1] for call in recorder.calls] == expected
    assert recorder.model is model
    assert recorder.params == {
        "epochs": 2, "steps": 2, "metrics": ["loss", "accuracy", "val_loss", "val_accuracy"]
    }  # fmt: skip
    ends = [call[-1] for call in recorder.calls if call[0] == "epoch_end"]
    assert [end["loss"] for end in ends] == history["loss"]
    assert [end["val_loss"] for end in ends] == history["val_loss"]
    batches = [call[-1] for call in recorder.calls if call[0] == "batch_end"]
    assert batches[1]["loss"] == history["loss"][0] != batches[0]["loss"]
    assert set(batches[0]) == {"loss", "accuracy"}


@both_backends
def test_hooks_at_batch_level_change_nothing_but_the_calls(backend):
    a, b = small_model(backend), small_model(backend)
    a.fit(X, Y, epochs=3, batch_size=3, callbacks=[StepRecorder()], verbose=0)
    b.fit(X, Y, epochs=3, batch_size=3, callbacks=[Recorder()], verbose=0)
    assert_same(state_of(a), state_of(b))
    for name in ("loss", "accuracy"):
        assert a.history[name] == b.history[name]


def test_only_hooks_at_batch_level_need_a_call_a_step():
    model = small_model()
    for callbacks, single in (
        ([Recorder(), fn.TerminateOnNaN()], False),
        ([fn.LambdaCallback(on_progress=lambda batch, logs: None)], False),
        ([Recorder(), StepRecorder()], True),
        ([fn.LambdaCallback(on_batch_end=lambda batch, logs: None)], True),
    ):
        seen = []
        inner = model._engine._run

        def spy(method, *args, _inner=inner, _seen=seen):
            _seen.append(-(-len(args[2]) // args[3]))
            return _inner(method, *args)

        model._engine._run = spy
        model.fit(*small_data(40), batch_size=2, callbacks=callbacks, verbose=0)
        model._engine._run = inner
        assert (max(seen) == 1) is single, callbacks


@pytest.mark.parametrize(("hook", "steps", "epochs"), [("on_epoch_end", 6, 2), ("on_batch_end", 5, 2)])
def test_stopping(hook, steps, epochs):
    """Stopped within an epoch, the epoch ends there, as in Keras."""
    model = small_model()

    def stop(number, logs):
        if model.training_state.step >= 5:
            model.stop_training = True

    history = model.fit(X, Y, epochs=9, batch_size=8, callbacks=[fn.LambdaCallback(**{hook: stop})], verbose=0)
    assert state_of(model)["counters"].tolist() == [steps, epochs]
    assert history.epochs == [1, 2]
    assert model.stop_training
    model.fit(X, Y, epochs=1, batch_size=8, verbose=0)
    assert state_of(model)["counters"].tolist() == [steps + 3, epochs + 1]


def test_stopped_before_the_first_step():
    model = small_model()

    def stop(epoch, logs):
        model.stop_training = True

    assert model.fit(X, Y, callbacks=[fn.LambdaCallback(on_epoch_begin=stop)], verbose=0).epochs == []
    assert state_of(model)["counters"].tolist() == [0, 0]


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_the_model_whole(hook, error):
    """At the second call of the hook: it reaches the caller, everybody ends, and training goes on afterwards."""
    recorder, model, calls = Recorder(), small_model(), []

    def fail(*args):
        calls.append(args)
        if len(calls) == 2 or hook == "on_train_begin":
            raise error("from the hook")

    failing = fn.LambdaCallback(**{hook: fail})
    with pytest.raises(error, match="from the hook"):
        model.fit(X, Y, epochs=3, batch_size=8, callbacks=[recorder, failing], verbose=0)
    assert recorder.calls[-1] == ("train_end", {})
    done = int(state_of(model)["counters"][0])
    expected = {"on_epoch_begin": 3, "on_batch_begin": 1, "on_batch_end": 2, "on_epoch_end": 6, "on_train_begin": 0}
    assert done == expected.get(hook, done)
    epochs = {"on_epoch_begin": 1, "on_epoch_end": 2}.get(hook, 0)
    assert model.history.epochs == list(range(1, epochs + 1))
    twin = small_model()
    for step in range(done):
        order = np.random.default_rng((0, step // 3)).permutation(20)[step % 3 * 8 :][:8]
        twin.train_step(X[order], Y[order])
    assert_same(model.params, twin.params)
    model.fit(X, Y, epochs=1, batch_size=8, verbose=0)
    twin.training_state.epoch = epochs
    twin.fit(X, Y, epochs=1, batch_size=8, verbose=0)
    assert_same(state_of(model), state_of(twin))


def test_every_callback_is_ended_also_if_one_of_them_fails():
    first, last = Recorder(), Recorder()

    def fail(logs):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        small_model().fit(X, Y, callbacks=[first, fn.LambdaCallback(on_train_end=fail), last], verbose=0)
    assert first.calls[-1][0] == last.calls[-1][0] == "train_end"


def test_what_callbacks_add_to_the_logs_is_in_history():
    model = small_model()
    late = fn.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(late=7.0) if epoch else None)
    history = model.fit(X, Y, epochs=2, callbacks=[scripted("mine", [1, 2.5]), late], verbose=0)
    assert history["mine"] == [1.0, 2.5]
    assert np.isnan(history["late"][0]) and history["late"][1] == 7.0


def test_ctrl_c_ends_the_callbacks():
    model, recorder = small_model(), Recorder()
    model.train_step(X, Y)
    model._engine._interpreter = Interrupting(model._engine._interpreter, 2)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=5, batch_size="full", callbacks=[recorder], verbose=0)
    assert recorder.calls[-1][0] == "train_end"
    assert model.history.epochs == [1, 2]


@both_backends
def test_terminate_on_nan(backend):
    x = X.copy()
    x[3] = np.nan
    model = small_model(backend)
    model.fit(x, Y, epochs=9, batch_size=4, callbacks=[fn.TerminateOnNaN()], verbose=0)
    assert model.history.epochs == [1]
    assert np.isnan(model.history["loss"][0])
    healthy = small_model(backend)
    assert healthy.fit(X, Y, epochs=2, callbacks=[fn.TerminateOnNaN()], verbose=0).epochs == [1, 2]


def test_a_progress_bar_of_ones_own_replaces_that_of_fit(capsys):
    small_model().fit(X, Y, epochs=2, callbacks=[fn.ProgressBar(2)], verbose=1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and all("\r" not in line for line in lines)


@pytest.mark.parametrize(
    ("callbacks", "error", "message"),
    [
        (fn.TerminateOnNaN(), TypeError, r"fit: callbacks is a callback, a list is needed: \[...\]"),
        (3, TypeError, "fit: callbacks is 3, a list of callbacks"),
        ([fn.TerminateOnNaN(), print], TypeError, r"fit: callbacks\[1\] is <built-in function print>"),
        ([fn.TerminateOnNaN], TypeError, r"fit: callbacks\[0\] is <class"),
        ([fn.EarlyStopping()], ValueError, "EarlyStopping: monitor is 'val_loss', measured are loss, accuracy: give"),
        ([fn.EarlyStopping("los")], ValueError, "EarlyStopping: monitor is 'los', measured are loss, accuracy$"),
        ([fn.ReduceLROnPlateau()], ValueError, "ReduceLROnPlateau: monitor is 'val_loss'"),
        ([fn.ModelCheckpoint("a", save_best_only=True)], ValueError, "ModelCheckpoint: monitor is 'val_loss'"),
        ([fn.ModelCheckpoint("{val_loss}")], ValueError, "path is '{val_loss}', which cannot be formatted"),
        ([fn.ModelCheckpoint("{")], ValueError, "path is '{', which cannot be formatted"),
        ([fn.ModelCheckpoint("{epoch.x}")], ValueError, "path is '{epoch.x}', which cannot be formatted"),
        ([fn.ModelCheckpoint("{loss[0]}")], ValueError, r"path is '{loss\[0\]}', which cannot be formatted"),
        ([fn.ModelCheckpoint("missing/{epoch}")], FileNotFoundError, "missing/1"),
        ([fn.ModelCheckpoint(".")], IsADirectoryError, "'.'"),
        ([fn.CSVLogger("missing/a.csv")], FileNotFoundError, "missing/a.csv"),
        ([fn.CSVLogger(".")], IsADirectoryError, "'.'"),
    ],
)
def test_wrong_callbacks(callbacks, error, message):
    """They are refused before anything is trained or forgotten."""
    model = small_model()
    history = model.fit(X, Y, verbose=0)
    before, progress = state_of(model), model.training_state.as_dict()
    with pytest.raises(error, match=message):
        model.fit(X, Y, callbacks=callbacks, verbose=0)
    assert_same(state_of(model), before)
    assert model.training_state.as_dict() == progress
    assert model.history is history and history.epochs == [1]


def test_what_callbacks_may_not_do():
    """fit and compile within fit would change what the running call counts with."""
    model = small_model()
    calls = {"fit": lambda *_: model.fit(X, Y, verbose=0), "compile": lambda *_: model.compile("sgd", "huber")}
    for name, call in calls.items():
        with pytest.raises(RuntimeError, match=f"^{name}: the model is being trained, by a call of fit"):
            model.fit(X, Y, callbacks=[fn.LambdaCallback(on_epoch_end=call)], verbose=0)
    assert model.fit(X, Y, verbose=0).epochs == [1]


def test_a_state_that_fails_does_not_leave_the_model_in_training():
    class Failing(fn.Callback):
        def state(self):
            raise RuntimeError("mine")

    model = small_model()
    with pytest.raises(RuntimeError, match="mine"):
        model.fit(X, Y, callbacks=[Failing()], verbose=0)
    assert model.fit(X, Y, verbose=0).epochs == [1]


def test_folders_that_a_callback_makes(tmp_path):
    made = fn.LambdaCallback(on_epoch_end=lambda epoch, logs: (tmp_path / str(epoch + 1)).mkdir())
    small_model().fit(X, Y, epochs=2, callbacks=[made, fn.ModelCheckpoint(tmp_path / "{epoch}" / "kept")], verbose=0)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/*")) == ["1/kept", "2/kept"]


def test_one_callback_twice():
    nan = fn.TerminateOnNaN()
    with pytest.raises(ValueError, match=r"callbacks\[1\] is given twice"):
        small_model().fit(X, Y, callbacks=[nan, nan], verbose=0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fn.EarlyStopping(patience=-1), ValueError, "EarlyStopping: patience is -1"),
        (lambda: fn.EarlyStopping(patience=1.5), TypeError, "EarlyStopping: patience is 1.5"),
        (lambda: fn.EarlyStopping(min_delta=-1), ValueError, "EarlyStopping: min_delta is -1"),
        (lambda: fn.EarlyStopping(mode="low"), ValueError, "EarlyStopping: mode is 'low'.*'min'"),
        (lambda: fn.EarlyStopping(monitor=3), TypeError, "EarlyStopping: monitor is 3"),
        (lambda: fn.ReduceLROnPlateau(factor=1.0), ValueError, "ReduceLROnPlateau: factor is 1.0"),
        (lambda: fn.ReduceLROnPlateau(factor=0), ValueError, "ReduceLROnPlateau: factor is 0, needed: 0 < factor"),
        (lambda: fn.ModelCheckpoint("a", what="weights"), ValueError, "ModelCheckpoint: what is 'weights'"),
        (lambda: fn.ModelCheckpoint("a", save_freq="batch"), ValueError, 'save_freq is \'batch\', "epoch" or an int'),
        (lambda: fn.ModelCheckpoint("a", save_freq=0), ValueError, "ModelCheckpoint: save_freq is 0"),
        (lambda: fn.ModelCheckpoint("a", save_freq=5, save_best_only=True), ValueError, "save_best_only needs"),
        (lambda: fn.ModelCheckpoint("a", seconds=5, save_best_only=True), ValueError, "save_best_only needs"),
        (lambda: fn.ModelCheckpoint("a", seconds=5, save_freq=5), ValueError, "save_freq and seconds are both given"),
        (lambda: fn.ModelCheckpoint("a", seconds=-1), ValueError, "ModelCheckpoint: seconds is -1"),
        (lambda: fn.ModelCheckpoint(3), TypeError, "ModelCheckpoint: path is 3"),
        (lambda: fn.CSVLogger(None), TypeError, "CSVLogger: path is None"),
        (lambda: fn.LearningRateScheduler(0.1), TypeError, "LearningRateScheduler: schedule is 0.1"),
        (lambda: fn.LearningRateScheduler(fn.schedules.Cosine), TypeError, "LearningRateScheduler: schedule is <class"),
        (lambda: fn.ProgressBar(3), ValueError, "ProgressBar: verbose is 3"),
        (lambda: fn.CSVLogger("a", append=1), TypeError, "CSVLogger: append is 1"),
        (lambda: fn.LambdaCallback(on_epoch_end=3), TypeError, "LambdaCallback: on_epoch_end is 3"),
    ],
)
def test_wrong_options(call, error, message):
    with pytest.raises(error, match=message):
        call()
