"""History: a mapping that can be read and drawn."""

import builtins

import pytest
from model_helpers import small_data, small_model

import fastnn as fn


def filled():
    history = fn.History()
    history.add(1, {"loss": 2.5, "val_loss": 3.0, "lr": 1e-3, "images_per_second": 12345.6})
    history.add(2, {"loss": 0.25, "val_loss": 1.0, "lr": 5e-4, "images_per_second": 23456.7})
    return history


def test_a_mapping():
    history = filled()
    assert list(history) == ["loss", "val_loss", "lr", "images_per_second"] and len(history) == 4
    assert history["loss"] == history.history["loss"] == history.get("loss") == [2.5, 0.25]
    assert dict(history) == history.history
    assert "loss" in history and "accuracy" not in history and history.get("accuracy") is None
    assert history.epochs == [1, 2]
    with pytest.raises(KeyError):
        history["accuracy"]


def test_the_text():
    assert repr(filled()).splitlines() == [
        "epoch    loss  val_loss        lr  images_per_second",
        "    1  2.5000    3.0000  1.00e-03             12,346",
        "    2  0.2500    1.0000  5.00e-04             23,457",
    ]
    assert repr(fn.History()) == "History(no epochs)"


def test_plot(tmp_path):
    pytest.importorskip("matplotlib")
    history = small_model().fit(*small_data(), epochs=3, validation_split=0.2, verbose=0)
    figure = history.plot(tmp_path / "curves.svg")
    assert (tmp_path / "curves.svg").read_text(encoding="utf-8").count("<svg") == 1
    loss, accuracy, speed = figure.axes
    assert [line.get_label() for line in loss.lines] == ["training", "validation"]
    assert list(loss.lines[0].get_ydata()) == history["loss"]
    assert list(accuracy.lines[1].get_ydata()) == history["val_accuracy"]
    assert list(speed.lines[0].get_xdata()) == [1, 2, 3]
    assert [axes.get_ylabel() for axes in figure.axes] == ["loss", "accuracy", "images per second"]


def test_plot_without_matplotlib(monkeypatch):
    original = builtins.__import__

    def no_matplotlib(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_matplotlib)
    with pytest.raises(ImportError, match=r'plots need Matplotlib: pip install "fastnn-numba\[plot\]"'):
        filled().plot()


def test_nothing_to_draw():
    with pytest.raises(ValueError, match=r"History.plot: no epoch is finished"):
        fn.History().plot()
