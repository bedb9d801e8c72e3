"""What fit prints, the notice that kernels are being compiled, and the speed without that time."""

import io
import time

import pytest
from model_helpers import Interrupting, small_data, small_model

from fastnn import progress


def lines_of(capsys):
    return capsys.readouterr().out.splitlines()


def test_one_line_an_epoch(capsys):
    x, y = small_data(20)
    model = small_model()
    history = model.fit(x, y, epochs=2, validation_split=0.25)
    lines = lines_of(capsys)
    assert len(lines) == 2
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    numbers = "  ".join(f"{name} {history[name][1]:.4f}" for name in names)
    assert lines[1] == f"epoch 2/2  {numbers}  {history['images_per_second'][1]:,.0f} images/s"
    model.fit(x, y, epochs=2, verbose=0)
    assert lines_of(capsys) == []


def test_the_line_grows_in_place(capsys):
    x, y = small_data(20)
    small_model().fit(x, y, epochs=2, batch_size=5, verbose=1)
    text = capsys.readouterr().out
    assert text.count("\n") == 2
    first = text.split("\n")[0].split("\r")
    assert "epoch 1/2  loss" in first[1] and "25%" in first[1]
    assert first[-1].endswith("images/s\x1b[K")


def test_ctrl_c_ends_the_line(capsys):
    x, y = small_data(20)
    model = small_model()
    model.train_step(x, y)
    model._engine._interpreter = Interrupting(model._engine._interpreter, 1)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, batch_size=5, verbose=1)
    assert capsys.readouterr().out.endswith("\n")


def test_the_notice_appears_while_the_block_runs(capsys):
    with progress.compile_notice(after=0.02):
        time.sleep(0.3)
        assert capsys.readouterr().err == progress.NOTICE + "\n"
    with progress.compile_notice(after=0.02, enabled=False):
        time.sleep(0.1)
    with progress.compile_notice(after=0.05):
        pass
    time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_the_first_compiled_call_is_left_out_of_the_speed(monkeypatch):
    x, y = small_data(20)
    model = small_model()
    model.train_step(x, y)
    inner = model._engine._interpreter
    model.backend = "compiled"

    class Compiling:
        called = False

        def train(self, *args):
            time.sleep(0 if self.called else 0.5)
            self.called = True
            return inner.train(*args)

    monkeypatch.setattr(model._engine, "_make", Compiling)
    history = model.fit(x, y, batch_size=2, verbose=0)
    assert 0.5 <= model.compile_seconds < 5
    assert history["images_per_second"][0] > 18 / 0.5


def test_the_reference_interpreter_compiles_nothing():
    x, y = small_data(20)
    model = small_model()
    model.fit(x, y, verbose=0)
    assert model.compile_seconds == 0


class Stream(io.StringIO):
    def __init__(self, terminal):
        super().__init__()
        self.isatty = lambda: terminal


def test_a_status_line_is_rewritten_on_a_terminal_and_gone_at_the_end(monkeypatch):
    monkeypatch.setenv("COLUMNS", "12")
    terminal, file = Stream(True), Stream(False)
    for stream in (terminal, file):
        with pytest.raises(KeyError), progress.StatusLine(stream) as status:
            status.show("1 of 2")
            status.show("2 of 2: something long")
            raise KeyError
    assert terminal.getvalue() == "\r1 of 2\x1b[K\r2 of 2: som\x1b[K\r\x1b[K"
    assert file.getvalue() == "1 of 2\n2 of 2: something long\n"
