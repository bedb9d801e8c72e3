"""The command line and saved models: train --save, evaluate, predict, reports, and what can go wrong with files."""

import json
import sys

import numpy as np
import pytest
from dataset_files import write_mnist
from test_cli import error_of, run

import fastnn as fn
from fastnn import models
from fastnn.cli import main, train

QUICK = ["--epochs", "2", "--backend", "reference"]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """A file of 60 images: dark above or dark below, with names, and a model trained on it."""
    folder = tmp_path_factory.mktemp("shapes")
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    x = rng.integers(0, 100, (60, 8, 8)).astype(np.uint8)
    x[y == 0, :4] += 150
    x[y == 1, 4:] += 150
    np.savez(folder / "shapes.npz", x=x, y=y, classes=["above", "below"])
    np.save(folder / "some.npy", x[:3])
    files = ["--save", folder / "model", "--json", folder / "a.json", "--report", folder / "a.html"]
    command = ["train", "--data", folder / "shapes.npz", "--epochs", "12", "--backend", "reference", *files]
    assert main([str(word) for word in command]) == 0
    return folder


def test_a_saved_model_is_evaluated(shapes, capsys):
    out = shapes / "test.json"
    command = ["evaluate", shapes / "model", "--data", shapes / "shapes.npz", "--json", out, "--backend", "reference"]
    assert main([str(word) for word in command]) == 0
    lines = dict(line.rsplit(" ", 1) for line in capsys.readouterr().out.splitlines())
    trained = json.loads((shapes / "a.json").read_text())["test"]
    assert trained["accuracy"] == 1
    assert lines == {"test loss": f"{trained['loss']:.4f}", "test accuracy": "1.0000"}
    assert json.loads(out.read_text())["test"] == trained


def test_arrays_and_pictures_are_predicted_by_name(shapes, tmp_path, capsys):
    image = pytest.importorskip("PIL.Image")
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[20:] = 200
    image.fromarray(picture).save(tmp_path / "below.png")
    arguments = ["predict", shapes / "model", shapes / "some.npy", tmp_path / "below.png", "--backend", "reference"]
    assert main([str(word) for word in arguments]) == 0
    rows = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    assert [row[1] for row in rows] == ["above", "below", "above", "below"]
    assert rows[0][0] == f"{shapes / 'some.npy'}[0]" and rows[3][0] == str(tmp_path / "below.png")
    assert all(0.5 <= float(row[2]) <= 1 for row in rows)


def test_one_array_of_each_shape(shapes, tmp_path, capsys):
    x = np.load(shapes / "some.npy")
    for array in (x[0], x[0][None], x[0][None, None], x[0] / np.float32(255)):
        np.save(tmp_path / "a.npy", array)
        assert main(["predict", str(shapes / "model"), str(tmp_path / "a.npy"), "--backend", "reference"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and len(set(lines)) == 1


def test_what_cannot_be_predicted_is_one_line(shapes, tmp_path, capsys):
    model, path = str(shapes / "model"), tmp_path / "a.npy"
    for array, text in (
        (np.zeros((8, 9)), r"has shape (8, 9), the model takes (1, 8, 8)"),
        (np.zeros((0, 8, 8)), "has shape (0, 8, 8)"),
        (np.zeros((8, 8), "U3"), "no array of numbers"),
        (np.array([None]), "no readable"),
    ):
        np.save(path, array)
        assert text in error_of(capsys, "predict", model, str(path))
    path.write_bytes(b"text")
    assert f"{path}: no readable .npy file" in error_of(capsys, "predict", model, str(path))
    assert "nowhere.npy" in error_of(capsys, "predict", model, str(tmp_path / "nowhere.npy"))
    assert str(path) in error_of(capsys, "predict", str(path), str(path))
    assert str(tmp_path / "none") in error_of(capsys, "predict", str(tmp_path / "none"), str(path))
    pytest.importorskip("PIL")
    (tmp_path / "a.png").write_bytes(b"text")
    assert "a.png: no picture" in error_of(capsys, "predict", model, str(tmp_path / "a.png"))
    assert "no picture" in error_of(capsys, "predict", model, str(shapes / "some.npy"), str(tmp_path / "a.png"))


def test_names_from_a_file_do_not_steer_the_terminal(tmp_path, capsys):
    model = fn.Sequential([fn.Flatten(), fn.Dense(2)], input_shape=(1, 2, 2))
    model.compile("sgd", "softmax_cross_entropy")
    model.class_names = ["\x1b[2J", "\x1b]0;x\x07"]
    model.save(tmp_path / "m")
    np.save(tmp_path / "a.npy", np.zeros((2, 2)))
    assert main(["predict", str(tmp_path / "m"), str(tmp_path / "a.npy"), "--backend", "reference"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_data_that_are_not_the_models_are_one_line(shapes, tmp_path, capsys):
    model = str(shapes / "model")
    assert "its classes are 0, 1" in error_of(capsys, "evaluate", model, "--data", "digits")
    np.savez(tmp_path / "a.npz", x=np.zeros((20, 9, 8)), y=np.arange(20) % 2)
    message = error_of(capsys, "evaluate", model, "--data", str(tmp_path / "a.npz"))
    assert f"shape (1, 9, 8), {model} takes (1, 8, 8)" in message
    untrained = fn.Sequential([fn.Flatten(), fn.Dense(10)], input_shape=(1, 8, 8))
    untrained.save(tmp_path / "m")
    assert "only predict" in error_of(capsys, "evaluate", str(tmp_path / "m"))


def test_class_names_are_checked_and_kept(tmp_path):
    model = fn.Sequential([fn.Dense(2)], input_shape=(3,))
    assert model.class_names == ()
    for wrong, error in ((["a"], ValueError), ("ab", ValueError), ([1, 2], TypeError), (None, TypeError)):
        with pytest.raises(error, match="class_names"):
            model.class_names = wrong
    model.class_names = ["a", "b"]
    model.save(tmp_path / "m")
    assert fn.load(tmp_path / "m").class_names == ("a", "b")


def test_training_on_a_folder_of_pictures(tmp_path, capsys):
    image = pytest.importorskip("PIL.Image")
    for name, value in (("dark", 30), ("light", 220)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for k in range(10):
            image.new("L", (12, 10), value + k).save(tmp_path / "pets" / name / f"{k}.png")
    folder = str(tmp_path / "pets")
    command = ["train", "--data", folder, "--image-size", "8", "--grayscale", "--json", str(tmp_path / "a.json")]
    assert main([*command, "--save", str(tmp_path / "m"), *QUICK]) == 0
    config = json.loads((tmp_path / "a.json").read_text())["config"]
    assert config["input_shape"] == [1, 8, 8] and config["classes"] == 2
    assert fn.load(tmp_path / "m").class_names == ("dark", "light")
    assert main(["evaluate", str(tmp_path / "m"), "--data", folder, "--backend", "reference"]) == 0
    assert "test accuracy" in capsys.readouterr().out
    image.new("L", (12, 11)).save(tmp_path / "pets" / "dark" / "0.png")
    assert "--image-size" in error_of(capsys, "train", "--data", folder)
    (tmp_path / "pets" / "dark" / "0.png").write_bytes(b"")
    assert "cannot be read" in error_of(capsys, "train", "--data", folder)
    (tmp_path / "empty").mkdir()
    assert "0 folders of pictures" in error_of(capsys, "train", "--data", str(tmp_path / "empty"))


def test_training_on_idx_files_by_folder_and_by_name(tmp_path, capsys):
    write_mnist(tmp_path / "mnist", packed=True)
    results = []
    for words in (["--data", str(tmp_path / "mnist")], ["--data", "mnist", "--data-dir", str(tmp_path)]):
        out = tmp_path / "a.json"
        assert main(["train", *words, "--model", "mlp", "--json", str(out), "--save", str(tmp_path / "m"), *QUICK]) == 0
        results.append(json.loads(out.read_text()))
    assert results[0]["config"]["input_shape"] == [1, 28, 28] and results[0]["config"]["classes"] == 10
    assert results[0]["history"]["loss"] == results[1]["history"]["loss"]
    assert fn.load(tmp_path / "m").class_names == tuple("0123456789")
    (x, y), _ = fn.datasets.mnist(tmp_path)  # as floats: what was read as bytes was scaled
    model = fn.models.mlp((1, 28, 28), 10)
    model.backend = "reference"
    model.compile(fn.Adam(2e-3), "softmax_cross_entropy")
    np.testing.assert_allclose(model.fit(x, y, epochs=2, verbose=0)["loss"], results[0]["history"]["loss"], rtol=1e-5)
    capsys.readouterr()
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    assert "lacks t10k-labels-idx1-ubyte" in error_of(capsys, "train", "--data", str(tmp_path / "mnist"))


def test_every_optimizer_trains(shapes, capsys):
    for name in train.OPTIMIZERS:
        command = ["train", "--data", str(shapes / "shapes.npz"), "--optimizer", name, "--weight-decay", "1e-4", *QUICK]
        assert main(command) == 0, name
        first, last = (float(line.split()[3]) for line in capsys.readouterr().out.splitlines()[:2])
        assert last < first, name


def test_choices_are_what_there_is():
    presets = {name for name, value in vars(models).items() if getattr(value, "__module__", "") == models.__name__}
    assert set(train.MODELS) == {name for name in presets if not name.startswith("_")}
    names = {optimizer for optimizer, _ in train.OPTIMIZERS.values()}
    assert names == set(fn.optimizers.__all__) - {"Optimizer", "get"}


def test_a_file_that_is_given_twice_is_one_line(tmp_path, capsys):
    path = str(tmp_path / "a")
    assert "--save and --report are the same file" in error_of(capsys, "train", "--save", path, "--report", path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--save", "--report", "--json"])
def test_files_that_cannot_be_written_are_reported_before_training(capsys, tmp_path, option):
    path = str(tmp_path / "no" / "file")
    assert path in error_of(capsys, "train", "--epochs", "1000000", option, path)


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit of file sizes")
def test_a_full_disk_is_one_line_and_leaves_what_was_there(shapes, tmp_path):
    files = {option: tmp_path / f"old{option}" for option in ("--save", "--report", "--json")}
    for path in files.values():
        path.write_text("old")
    words = [str(word) for item in files.items() for word in item]

    def limit():
        import resource  # which Windows does not have

        resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))

    done = run("train", "--data", str(shapes / "shapes.npz"), *QUICK, *words, preexec_fn=limit)
    assert done.returncode == 2
    assert done.stdout.splitlines()[-1].startswith("test accuracy")
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    for path in files.values():
        assert str(path) in done.stderr
        assert path.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == sorted(files.values())


PHASES = {
    "reading data": "fastnn.datasets.load_npz",
    "building": "fastnn.models.small_cnn",
    "training": "fastnn.model.Sequential.fit",
    "evaluating": "fastnn.model.Sequential.evaluate",
    "saving": "fastnn.model.Sequential.save",
    "reporting": "fastnn.report.write",
    "writing": "fastnn.jsonfile.write",
}


@pytest.mark.parametrize("phase", PHASES)
def test_ctrl_c_in_every_phase_is_130_and_one_line(shapes, tmp_path, capsys, monkeypatch, phase):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(PHASES[phase], interrupted)
    files = [word for name in ("save", "report", "json") for word in (f"--{name}", str(tmp_path / name))]
    assert main(["train", "--data", str(shapes / "shapes.npz"), *QUICK, *files]) == 130
    assert capsys.readouterr().err == "fastnn: interrupted\n"
