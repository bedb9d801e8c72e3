"""TrainingState: written down at any step and taken up again, training ends with the same bits."""

import numpy as np
import pytest
from model_helpers import assert_same, both_backends, small_data, small_model, state_of

import fastnn as fn
from fastnn import checkpoint, saving, schedules
from fastnn.checkpoint import Checkpoint
from fastnn.pacer import Pacer
from fastnn.state import TrainingState

X, Y = small_data(30)
OPTIONS = {"epochs": 3, "batch_size": 4, "validation_split": 0.2, "verbose": 0}


def model_of(backend="reference"):
    optimizer = fn.Adam(1e-2, schedule=schedules.LinearWarmup(schedules.Cosine(), steps=5))
    return small_model(backend, optimizer=optimizer)


def stateful():
    """Callbacks that have something to remember."""
    return [
        fn.EarlyStopping(patience=2),
        fn.ReduceLROnPlateau("loss", patience=1, min_delta=10.0, factor=0.5),
        fn.LearningRateScheduler(lambda epoch, lr: lr * 0.9),
    ]


class Copying(fn.Callback):
    """Writes the state and the arrays down after each group of steps and after each epoch."""

    runs_last = True

    def __init__(self):
        self.kept = []

    def keep(self):
        memory = self.model._memory
        arrays = [array.copy() for array in (memory.params, memory.slots, memory.state)]
        self.kept.append((self.model.training_state.as_dict(), arrays))

    def on_progress(self, batch, logs):
        self.keep()

    def on_epoch_end(self, epoch, logs):
        self.keep()


class SingleSteps(Copying):
    def on_batch_begin(self, batch, logs):
        pass


def resume(model, kept, callbacks, **options):
    """Go on from what was written down."""
    plain, arrays = kept
    memory = model._memory
    for array, value in zip((memory.params, memory.slots, memory.state), arrays, strict=True):
        array[...] = value
    views = saving.views(model._lowered.tape, memory, slots=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "read", lambda *args: Checkpoint(TrainingState.from_dict(plain), views))
        return model.fit(X, Y, callbacks=callbacks, resume="a file", **{**OPTIONS, **options})


def measured(history):
    return {name: values for name, values in history.items() if name != "images_per_second"}


@both_backends
def test_resumed_at_any_step(backend):
    """Also at the end of an epoch before its validation, and after its end."""
    whole, copying = model_of(backend), SingleSteps()
    history = whole.fit(X, Y, callbacks=[*stateful(), copying], **OPTIONS)
    assert len(copying.kept) == 3 * (6 + 1)
    for kept in copying.kept:
        resumed = model_of(backend)
        found = resume(resumed, kept, stateful())
        assert_same(state_of(resumed), state_of(whole))
        assert found.epochs == [1, 2, 3]
        assert measured(found) == measured(history)


@pytest.mark.parametrize("steps", [3, 7, 100])
def test_sums_do_not_depend_on_how_steps_are_grouped(steps, monkeypatch):
    monkeypatch.setattr(Pacer, "record", lambda self, steps, seconds: None)
    x, y = small_data(101)
    results = []
    for grouped in (1, steps):
        monkeypatch.setattr(Pacer, "__init__", lambda self, most=None, n=grouped: setattr(self, "steps", n))
        model = model_of()
        history = model.fit(x, y, epochs=3, batch_size=3, validation_split=0.2, verbose=0)
        results.append((measured(history), state_of(model)))
    assert results[0][0] == results[1][0]
    assert_same(results[0][1], results[1][1])


def test_a_last_small_batch_has_the_same_bits_in_a_call_of_its_own(monkeypatch):
    """Of three samples: alone in a call they could get the form for tiny batches."""
    monkeypatch.setattr(Pacer, "record", lambda self, steps, seconds: None)
    x, y = small_data(35)
    states = []
    for grouped in (1, 2):
        monkeypatch.setattr(Pacer, "__init__", lambda self, most=None, n=grouped: setattr(self, "steps", n))
        model = small_model("compiled")
        model.fit(x, y, epochs=2, batch_size=32, verbose=0)
        states.append(state_of(model))
    assert_same(states[0], states[1])


def test_a_finished_training_ends_at_once():
    whole, copying = model_of(), Copying()
    whole.fit(X, Y, callbacks=[copying], **OPTIONS)
    resumed = model_of()
    assert resume(resumed, copying.kept[-1], []).epochs == [1, 2, 3]
    assert_same(state_of(resumed), state_of(whole))


def test_more_epochs_than_were_planned():
    short, long, copying = small_model(), small_model(), Copying()
    short.fit(X, Y, callbacks=[copying], **OPTIONS)
    long.fit(X, Y, **{**OPTIONS, "epochs": 5})
    resume(short, copying.kept[-1], [], epochs=5)
    assert_same(state_of(short), state_of(long))
    assert short.history.epochs == [1, 2, 3, 4, 5]


def test_one_that_was_stopped_stays_stopped():
    copying, model = Copying(), small_model()
    stop = fn.LambdaCallback(on_epoch_end=lambda epoch, logs: setattr(model, "stop_training", epoch == 1))
    model.fit(X, Y, callbacks=[stop, copying], **OPTIONS)
    resumed = small_model()
    assert resume(resumed, copying.kept[-1], []).epochs == [1, 2]
    assert_same(state_of(resumed), state_of(model))


def test_one_that_was_stopped_within_an_epoch_ends_that():
    whole, copying = small_model(), SingleSteps()
    stop = fn.LambdaCallback(on_progress=lambda batch, logs: setattr(whole, "stop_training", batch == 2))
    history = whole.fit(X, Y, callbacks=[stop, copying], **OPTIONS)
    assert history.epochs == [1] and len(copying.kept) == 4
    for kept in copying.kept[2:]:
        resumed = small_model()
        assert measured(resume(resumed, kept, [])) == measured(history)
        assert_same(state_of(resumed), state_of(whole))


@pytest.mark.parametrize(
    ("options", "callbacks", "message"),
    [
        ({"batch_size": 5}, [], "had samples 24, .*batch_size 4, seed 0, given are samples 24, .*batch_size 5"),
        ({"validation_split": 0.5}, [], "given are samples 15"),
        ({"shuffle": False}, [], "given are .* seed None"),
        ({}, [fn.EarlyStopping()], r"callbacks with a state are \[EarlyStopping\], .* were \[\]"),
    ],
)
def test_what_does_not_fit_is_refused(options, callbacks, message):
    copying = SingleSteps()
    model_of().fit(X, Y, callbacks=[copying], **OPTIONS)
    model = model_of()
    before = state_of(model)["counters"]
    with pytest.raises(ValueError, match=message):
        resume(model, copying.kept[3], callbacks, **options)
    np.testing.assert_array_equal(state_of(model)["counters"], before)


def test_a_state_is_plain_data():
    """A copy that later training does not change, of what JSON knows and of arrays."""
    copying = Copying()
    model_of().fit(X, Y, callbacks=[*stateful(), copying], **OPTIONS)
    first = copying.kept[0][0]
    assert first["step"] < 18 and first["history"] == {"epochs": [], "history": {}}

    def check(value):
        if isinstance(value, dict):
            assert all(isinstance(key, str) for key in value)
            value = list(value.values())
        if isinstance(value, (list, tuple)):
            for item in value:
                check(item)
        else:
            assert value is None or isinstance(value, (bool, int, float, str, np.ndarray)), value

    for plain, _ in copying.kept:
        check(plain)
        assert TrainingState.from_dict(plain).as_dict() == plain or "EarlyStopping" in dict(plain["callbacks"])
    names = [name for name, _ in copying.kept[-1][0]["callbacks"]]
    assert names == ["EarlyStopping", "ReduceLROnPlateau"]


def test_after_ctrl_c_training_can_go_on_within_the_epoch():
    whole, cut = small_model(), small_model()
    whole.fit(X, Y, **OPTIONS)

    def interrupt(batch, logs):
        if cut.training_state.step == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut.fit(X, Y, callbacks=[fn.LambdaCallback(on_batch_end=interrupt)], **OPTIONS)
    assert cut.training_state.position == 4
    plain = cut.training_state.as_dict()
    memory = cut._memory
    resumed = small_model()
    found = resume(resumed, (plain, [memory.params, memory.slots, memory.state]), [])
    assert_same(state_of(resumed), state_of(whole))
    assert measured(found) == measured(whole.history)


def test_after_ctrl_c_another_call_starts_its_schedule_over():
    """Steps of the interrupted epoch had been taken off those of the next call, which then began below 0."""
    asked = []

    class Asked(fn.schedules.Schedule):
        def rates(self, lr, first_step, steps, steps_per_epoch, total_steps):
            asked.append(first_step)
            return np.full(steps, lr)

    def interrupt(batch, logs):
        if batch == 2:
            raise KeyboardInterrupt

    model = small_model(optimizer=fn.SGD(0.1, schedule=Asked()))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, batch_size=4, verbose=0, callbacks=[fn.LambdaCallback(on_batch_end=interrupt)])
    assert model.training_state.position == 3
    asked.clear()
    model.fit(X, Y, batch_size=4, verbose=0)
    steps = -(-len(X) // 4)
    assert min(asked) == 0 and max(asked) < steps
    assert model.training_state.fit_step == steps
