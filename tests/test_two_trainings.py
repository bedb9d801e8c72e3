"""Two models, each trained in a Python thread of its own, at once: each as if it were alone."""

import threading

from model_helpers import assert_same, small_data, small_model, state_of

import fastnn as fn


def train(seed):
    x, y = small_data(60, seed=seed)
    model = small_model("compiled", seed=seed)
    stopping = fn.EarlyStopping("loss", patience=50)
    model.fit(x, y, epochs=12, batch_size=16, validation_split=0.2, callbacks=[stopping], verbose=0)
    return state_of(model), model.history["val_loss"]


def test_at_once():
    alone = [train(seed) for seed in (1, 2)]
    found = {}
    start = threading.Barrier(2)

    def work(seed):
        start.wait()
        found[seed] = train(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in (1, 2):
        assert_same(found[seed][0], alone[seed - 1][0])
        assert found[seed][1] == alone[seed - 1][1]
