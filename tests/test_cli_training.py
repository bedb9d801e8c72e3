"""The command line and the course of training: schedules, early stopping, checkpoints that training goes on from."""

import json

import numpy as np
import pytest
from test_cli import error_of

import fastnn as fn
from fastnn import training
from fastnn.cli import augmentation, main, train


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """A file of 60 images of noise in two classes: there is nothing to learn."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("noise") / "noise.npz"
    np.savez(path, x=rng.random((60, 8, 8), dtype=np.float32), y=np.arange(60) % 2)
    return path


def run(noise, path, *words, code=0):
    """Train, and give what the JSON file says."""
    command = ["train", "--data", noise, "--backend", "reference", "--batch-size", "16", "--json", path, *words]
    assert main([str(word) for word in command]) == code
    return json.loads(path.read_text()) if code == 0 else None


def test_schedules_end_where_they_should(noise, tmp_path):
    ends = {"constant": 1.0, "step": 0.01, "exponential": 0.01, "cosine": 0.0, "one-cycle": 4e-6}
    assert set(ends) == set(train.SCHEDULES)
    for name, end in ends.items():
        out = run(noise, tmp_path / "a.json", "--schedule", name, "--epochs", "9", "--lr", "0.5", "--optimizer", "sgd")
        model_rate = out["history"].get("lr", [0.5])[-1]
        assert model_rate == pytest.approx(0.5 * end, abs=0.02), name
        assert out["config"]["schedule"] == name
    out = run(noise, tmp_path / "a.json", "--warmup-epochs", "4", "--epochs", "5", "--lr", "0.5")
    assert out["history"]["lr"] == pytest.approx([0.125, 0.25, 0.375, 0.5, 0.5])


def test_early_stopping_watches_the_validation_loss(noise, tmp_path, capsys):
    words = ["--early-stopping", "2", "--lr", "0.01", "--epochs", "200"]
    history = run(noise, tmp_path / "a.json", "--validation-split", "0.3", *words)["history"]
    best = int(np.argmin(history["val_loss"]))
    assert len(history["loss"]) == best + 3 < 200
    capsys.readouterr()
    assert "needs --validation-split" in error_of(capsys, "train", *words)


def test_training_goes_on_from_a_checkpoint_with_the_same_bits(noise, tmp_path):
    whole, part = tmp_path / "whole", tmp_path / "part"
    run(noise, tmp_path / "a.json", "--epochs", "4", "--checkpoint", whole)
    run(noise, tmp_path / "b.json", "--epochs", "2", "--checkpoint", part)
    out = run(noise, tmp_path / "b.json", "--epochs", "4", "--resume", part)
    expected = json.loads((tmp_path / "a.json").read_text())
    for name in ("loss", "accuracy"):
        assert out["history"][name] == expected["history"][name]
    assert out["test"] == expected["test"]
    for name, values in fn.load(whole).params.items():
        np.testing.assert_array_equal(values, fn.load(part).params[name])


@pytest.fixture
def interrupt(monkeypatch):
    """Give a function that arranges for one Ctrl-C, once this many steps are done."""
    real = training.train

    def arrange(steps):
        def train_or_interrupt(engine, state, *args, **options):
            if state.step >= steps:
                monkeypatch.setattr(training, "train", real)
                raise KeyboardInterrupt
            return real(engine, state, *args, **options)

        monkeypatch.setattr(training, "train", train_or_interrupt)

    return arrange


@pytest.mark.parametrize("steps", [1, 3, 4])
def test_ctrl_c_keeps_a_checkpoint_to_go_on_from(noise, tmp_path, capsys, interrupt, steps):
    whole, part = tmp_path / "whole", tmp_path / "part"
    expected = run(noise, tmp_path / "a.json", "--epochs", "3", "--checkpoint", whole)
    capsys.readouterr()
    interrupt(steps)
    run(noise, tmp_path / "b.json", "--epochs", "3", "--checkpoint", part, code=130)
    assert capsys.readouterr().err == f"fastnn: interrupted (checkpoint kept: {part})\n"
    assert not (tmp_path / "b.json").exists()
    out = run(noise, tmp_path / "b.json", "--epochs", "3", "--resume", part)
    assert out["history"]["loss"] == expected["history"]["loss"]
    for name, values in fn.load(whole).params.items():
        np.testing.assert_array_equal(values, fn.load(part).params[name])


def test_ctrl_c_before_the_first_step_loses_no_checkpoint(noise, tmp_path, capsys, interrupt, monkeypatch):
    path = tmp_path / "c"
    interrupt(0)
    run(noise, tmp_path / "a.json", "--checkpoint", path, code=130)
    assert capsys.readouterr().err == "fastnn: interrupted\n"
    assert not path.exists()
    run(noise, tmp_path / "a.json", "--epochs", "1", "--checkpoint", path)
    before = path.read_bytes()
    monkeypatch.setattr("fastnn.checkpoint.read", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    run(noise, tmp_path / "a.json", "--epochs", "2", "--resume", path, code=130)
    assert path.read_bytes() == before


def test_ctrl_c_with_early_stopping_keeps_the_checkpoint_of_the_last_epoch(noise, tmp_path, interrupt):
    words = ["--early-stopping", "9", "--validation-split", "0.2"]
    whole, part = tmp_path / "whole", tmp_path / "part"
    expected = run(noise, tmp_path / "a.json", "--epochs", "3", "--checkpoint", whole, *words)
    interrupt(4)  # of three steps an epoch
    run(noise, tmp_path / "b.json", "--epochs", "3", "--checkpoint", part, *words, code=130)
    out = run(noise, tmp_path / "b.json", "--epochs", "3", "--resume", part, *words)
    assert out["history"]["val_loss"] == expected["history"]["val_loss"]


def test_what_cannot_be_resumed_is_one_line(noise, tmp_path, capsys):
    path = tmp_path / "c"
    assert str(path) in error_of(capsys, "train", "--resume", str(path))
    run(noise, tmp_path / "a.json", "--epochs", "1", "--checkpoint", path)
    capsys.readouterr()
    before = path.read_bytes()
    words = ["train", "--data", str(noise), "--backend", "reference", "--batch-size", "16", "--resume", str(path)]
    for option, value in (("--seed", "1"), ("--optimizer", "sgd"), ("--model", "mlp")):
        text = "layers" if option == "--model" else option[2:]
        assert text in error_of(capsys, *words, option, value)
    assert path.read_bytes() == before
    path.write_bytes(before[:-9])
    assert str(path) in error_of(capsys, *words)


@pytest.mark.parametrize("model", train.MODELS)
def test_every_preset_trains(tmp_path, model):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", x=rng.random((10, 16, 16), dtype=np.float32), y=np.arange(10) % 2)
    out = run(tmp_path / "a.npz", tmp_path / "a.json", "--model", model, "--epochs", "1")
    assert np.isfinite(out["test"]["loss"])


def test_augmentation_by_name():
    steps = augmentation.parse("flip,crop=2,shift,rotate=30,cutout,mixup=0.4")
    assert augmentation.as_text(steps) == "flip,crop=2,shift,rotate=30,cutout,mixup=0.4"
    a = fn.augment
    expected = [a.Flip(), a.Crop(2), a.Shift(4), a.Rotate(30.0), a.Cutout(7), a.MixUp(0.4)]
    assert augmentation.build(steps, (3, 32, 28)) == [*expected[:2], a.Shift(3), *expected[3:]]
    few = augmentation.build(augmentation.parse("crop,rotate,mixup"), (1, 4, 4))
    assert few == [a.Crop(1), a.Rotate(10.0), a.MixUp(0.2)]
    assert {name for name, _ in augmentation.STEPS.values()} == set(a.__all__) - {"AugmentStep"}


@pytest.mark.parametrize("text", ["", "fly", "flip=2", "crop=", "crop=-1", "crop=1.5", "flip,", "mixup=nan"])
def test_wrong_augmentation_is_one_line(capsys, text):
    assert "--augment" in error_of(capsys, "train", "--augment", text)


def test_training_with_augmentation_is_seeded(noise, tmp_path):
    words = ["--epochs", "2", "--augment", "flip,shift=1"]
    first, again = (run(noise, tmp_path / "a.json", *words) for _ in range(2))
    plain = run(noise, tmp_path / "a.json", "--epochs", "2")
    assert first["history"]["loss"] == again["history"]["loss"] != plain["history"]["loss"]
    assert first["config"]["augment"] == "flip,shift=1"


def test_warmup_takes_every_preset_and_every_optimizer(monkeypatch, capsys):
    seen = []

    def warmed(model, batch_size):
        seen.append((len(model.layers), model.input_shape, model._optimizer, batch_size))
        return 0.0

    monkeypatch.setattr(fn, "warmup", warmed, raising=False)
    assert main(["warmup", "--batch-size", "16"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(train.MODELS)
    assert {type(optimizer).__name__ for _, _, optimizer, _ in seen} == {name for name, _ in train.OPTIMIZERS.values()}
    assert {shape for _, shape, _, _ in seen} == {(1, 8, 8), (1, 28, 28), (3, 32, 32)}
    assert {size for *_, size in seen} == {16}
    assert "'vgg' is none of" in error_of(capsys, "warmup", "vgg")
    assert "--batch-size" in error_of(capsys, "warmup", "--batch-size", "full")
