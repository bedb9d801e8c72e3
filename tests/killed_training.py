"""A process that trains, for `test_sigkill.py`: started again after it was killed, it goes on where it stood.

``python killed_training.py CHECKPOINT BACKEND``: prints "begun" before the first step, and at the end the sha256 of
weights, running statistics, optimizer state and history.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

import fastnn as fn

BATCH = 8
EPOCHS = 8


def data():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, 70)
    return (rng.standard_normal((70, 2, 6, 6)) + y[:, None, None, None]).astype(np.float32), y


def build():
    layers = [
        fn.Conv2D(4, 3, padding="same"),
        fn.BatchNorm(),
        fn.ReLU(),
        fn.MaxPool2D(2),
        fn.Flatten(),
        fn.Dropout(0.3),
        fn.Dense(8, activation="relu"),
        fn.Dense(3),
    ]
    model = fn.Sequential(layers, input_shape=(2, 6, 6), seed=4)
    schedule = fn.schedules.LinearWarmup(fn.schedules.Cosine(alpha=0.1), steps=10)
    model.compile(fn.Adam(5e-3, schedule=schedule, clip_norm=1.0), "softmax_cross_entropy", ["accuracy", "f1"])
    return model


def fingerprint(model, history):
    memory, state = model._memory, model.training_state
    measured = {name: values for name, values in history.items() if name != "images_per_second"}
    digest = hashlib.sha256(json.dumps([state.step, state.epoch, history.epochs, measured]).encode())
    for array in (memory.params, memory.state, memory.slots):
        digest.update(array.tobytes())
    return digest.hexdigest()


def main(path, backend):
    model = build()
    model.backend = backend
    x, y = data()
    history = model.fit(
        x,
        y,
        epochs=EPOCHS,
        batch_size=BATCH,
        validation_split=0.2,
        callbacks=[
            fn.LambdaCallback(on_train_begin=lambda logs: print("begun", flush=True)),
            fn.EarlyStopping(patience=3),
            fn.ReduceLROnPlateau(patience=1),
            fn.ModelCheckpoint(path, save_freq=1),
        ],
        augment=[fn.augment.Flip(), fn.augment.Crop(1)],
        resume=path if path.exists() else None,
        verbose=0,
    )
    print("ended", fingerprint(model, history), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
