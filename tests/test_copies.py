"""Copies of models, and calls of several threads on one model."""

import copy
import pickle
import threading

import numpy as np
import pytest
from model_helpers import assert_same, both_backends, small_data, small_model, state_of

import fastnn as fn

X, Y = small_data(20)
copies = pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])


@both_backends
@copies
def test_a_copy_is_a_model_of_its_own(copied, backend):
    model = small_model(backend)
    model.fit(X, Y, verbose=0)
    other = copied(model)
    before = state_of(model)
    assert_same(state_of(other), before)
    other.fit(X, Y, verbose=0)
    assert_same(state_of(model), before)
    model.fit(X, Y, verbose=0)
    assert_same(state_of(other), state_of(model))
    assert_same(other.params, model.params)


class Copying(fn.Callback):
    """Copies the model after the second epoch."""

    def on_epoch_end(self, epoch, logs):
        if epoch == 1:
            self.kept = copy.deepcopy(self.model)


def test_a_copy_of_a_model_in_training_is_not_in_training(tmp_path):
    stopping, copying = fn.EarlyStopping("loss", patience=9), Copying()
    model = small_model()
    model.fit(X, Y, epochs=4, verbose=1, callbacks=[stopping, copying])
    kept = copying.kept
    kept.save_checkpoint(tmp_path / "kept")  # with the states of the callbacks as they were
    assert kept.training_state.as_dict()["callbacks"][0][1]["best_epoch"] == 2
    resumed = small_model()
    resumed.fit(X, Y, epochs=4, verbose=0, callbacks=[fn.EarlyStopping("loss", patience=9)], resume=tmp_path / "kept")
    assert_same(state_of(resumed), state_of(model))


def test_predictions_of_another_thread_leave_augmentation_alone():
    """Without a lock the steps of augmentation were now and then those of the other call: none."""
    x, y = small_data(200)

    def trained(noisy):
        model = small_model("compiled")
        model.predict(x[:20])
        done = threading.Event()

        def predict():
            while not done.is_set():
                model.predict(x[:20])

        thread = threading.Thread(target=predict)
        if noisy:
            thread.start()
        try:
            model.fit(x, y, epochs=10, batch_size=10, augment=[fn.augment.Flip()], verbose=0)
        finally:
            done.set()
        if noisy:
            thread.join()
        return state_of(model)

    assert_same(trained(True), trained(False))


def test_gradients_are_the_caller_s():
    model = small_model()
    _, first = model.gradients(X[:5], Y[:5])
    kept = {name: value.copy() for name, value in first.items()}
    model.gradients(X[5:], Y[5:])
    assert_same(first, kept)
    assert all(np.any(value) for value in kept.values())
