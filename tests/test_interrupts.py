"""Ctrl-C and errors in the middle of fit: the model stays whole, and training can go on."""

import signal
import threading
import time

import numpy as np
import pytest
from model_helpers import (
    Interrupting,
    assert_same,
    both_backends,
    order_of,
    small_data,
    small_model,
    state_of,
)

import fastnn as fn
from fastnn.interrupts import held_back
from fastnn.state import TrainingState


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, MemoryError])
def test_a_call_cut_in_two_is_undone(error):
    x, y = small_data(20)
    a, b = small_model(), small_model()
    a.train_step(x, y)
    b.train_step(x, y)
    interpreter = a._engine._interpreter
    a._engine._interpreter = Interrupting(interpreter, 0, error)
    before = state_of(a)
    with pytest.raises(error):
        a.train_step(x, y)
    assert_same(state_of(a), before)
    a._engine._interpreter = interpreter
    assert a.train_step(x, y) == b.train_step(x, y)
    assert_same(state_of(a), state_of(b))


def test_a_call_cut_in_two_while_it_is_recorded_is_undone(monkeypatch):
    x, y = small_data(20)
    model = small_model()
    original = TrainingState.record

    def cut(state, *args):
        original(state, *args)
        raise KeyboardInterrupt

    monkeypatch.setattr(TrainingState, "record", cut)
    before, progress = state_of(model), model.training_state.as_dict()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, verbose=0)
    assert_same(state_of(model), before)
    after = model.training_state.as_dict()
    for name in ("step", "position", "samples", "loss_sum", "weight_sum", "correct"):
        assert after[name] == progress[name] == 0


def test_ctrl_c_keeps_finished_epochs_and_the_next_fit_goes_on():
    x, y = small_data(20)
    model = small_model()
    model.train_step(x, y)
    # Full batches: one call an epoch.
    model._engine._interpreter = Interrupting(model._engine._interpreter, 2)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, epochs=5, batch_size="full", validation_split=0.2, verbose=0)
    assert model.history.epochs == [1, 2]
    assert len(model.history["val_loss"]) == 2
    assert state_of(model)["counters"].tolist() == [3, 2]
    model.backend = "reference"
    model.fit(x, y, epochs=5, initial_epoch=2, batch_size="full", validation_split=0.2, verbose=0)
    straight = small_model()
    straight.train_step(x, y)
    straight.fit(x, y, epochs=5, batch_size="full", validation_split=0.2, verbose=0)
    assert_same(state_of(model), state_of(straight))


@pytest.fixture(autouse=True)
def listening():
    """Hear SIGINT also where the shell started the tests in the background, with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@both_backends
def test_a_real_signal(backend):
    """Ctrl-C from outside, while fit runs, at any moment: it ends soon, with the model whole."""
    x, y = small_data(2000)
    model = small_model(backend)
    model.fit(x[:64], y[:64], verbose=0)
    threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,)).start()
    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, epochs=100_000, verbose=0)
    assert time.perf_counter() - start < 5
    before = state_of(model)
    assert before["counters"][0] > 0
    # The state is that of a model that did the same number of steps.
    twin = small_model(backend)
    twin.fit(x[:64], y[:64], verbose=0)
    twin.training_state.epoch = 1
    done = before["counters"][0] - 2
    epoch = 1
    while done > 0:
        order = order_of(0, epoch, 2000)
        for k in range(0, min(done * 32, 2000), 32):
            twin.train_step(x[order[k : k + 32]], y[order[k : k + 32]])
        done -= 63
        epoch += 1
    np.testing.assert_allclose(before["params"], state_of(twin)["params"], rtol=1e-7, atol=1e-9)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_is_held_back_until_the_block_is_done():
    done = []
    with pytest.raises(KeyboardInterrupt):
        with held_back():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            done.append(1)
        done.append(2)
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with held_back():
        pass


def test_a_second_ctrl_c_does_not_wait_where_it_need_not():
    done = []
    with pytest.raises(KeyboardInterrupt), held_back(insist=True):
        signal.raise_signal(signal.SIGINT)
        done.append(1)
        signal.raise_signal(signal.SIGINT)
        done.append(2)
    assert done == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end"])
def test_ctrl_c_between_callbacks_leaves_none_out(hook, tmp_path):
    """Training that went on from there had lost what the others would have done: here, to the learning rate."""
    x, y = small_data(20)

    def interrupt(epoch, logs):
        if epoch == 1:
            signal.raise_signal(signal.SIGINT)

    def train(model, *callbacks, **options):
        halved = fn.LearningRateScheduler(lambda epoch, lr: lr / 2)
        plateau = fn.ReduceLROnPlateau("loss", patience=1, min_delta=100.0)
        model.fit(x, y, epochs=4, batch_size=8, callbacks=[halved, *callbacks, plateau], verbose=0, **options)

    whole, cut, resumed = small_model(), small_model(), small_model()
    train(whole)
    with pytest.raises(KeyboardInterrupt):
        train(cut, fn.LambdaCallback(**{hook: interrupt}))
    cut.save_checkpoint(tmp_path / "cut")
    train(resumed, resume=tmp_path / "cut")
    assert_same(state_of(resumed), state_of(whole))
    assert resumed.lr == whole.lr


def test_holding_back_leaves_other_threads_alone():
    seen = []

    def work():
        with held_back():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
