"""`fastnn profile model`: presets and files, wrong arguments, Ctrl-C."""

import json
from unittest.mock import patch

import pytest

import fastnn as fn
from fastnn.cli import main
from fastnn.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU
from fastnn.profile import model_times


@pytest.mark.parametrize("where", ["call", "time"])
def test_ctrl_c_before_the_first_round_says_so_and_ends_with_130(where, capsys):
    with patch.object(model_times._Run, where, side_effect=KeyboardInterrupt):
        assert main(["profile", "model", "mlp", "--threads", "1"]) == 130
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1] == "fastnn: interrupted before anything was measured"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["."], "."),
        (["no.safetensors"], "none of mlp"),
        (["mlp", "--threads", "-1"], "--threads"),
        (["mlp", "--threads", "100000"], "100000"),
        (["mlp", "--batch-size", "0"], "--batch-size"),
        (["mlp", "--batch-size", str(10**9)], "need more memory"),
        (["mlp", "--batch-size", str(10**30)], "need more memory"),
        (["mlp", "--html", "a/b/c.html"], "a/b/c.html"),
        (["README"], "README"),
    ],
)
def test_wrong_arguments_are_one_line(capsys, tmp_path, monkeypatch, arguments, text):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "README").write_text("no model")
    try:
        code = main(["profile", "model", *arguments])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines() if line.startswith("fastnn: error: ")]
    assert (code, captured.out, len(errors)) == (2, "", 1)
    assert text in errors[0]


def test_the_command_takes_presets_and_files(tmp_path, capsys):
    path = tmp_path / "model.safetensors"
    layers = [Conv2D(4, 3), ReLU(), MaxPool2D(2), Flatten(), Dense(10)]
    model = fn.Sequential(layers, input_shape=(2, 12, 12))
    model.compile("sgd", "softmax_cross_entropy")
    model.save(path)
    files = {kind: tmp_path / f"profile.{kind}" for kind in ("json", "csv", "html")}
    options = [text for kind, file in files.items() for text in (f"--{kind}", str(file))]
    assert main(["profile", "model", str(path), "--batch-size", "16", "--no-reference", *options]) == 0
    assert "conv2d + relu + max_pool2d" in capsys.readouterr().out
    assert json.loads(files["json"].read_text())["batch_size"] == 16
    assert "conv2d + relu + max_pool2d" in files["html"].read_text()
    assert main(["profile", "model", "lenet6"]) == 2
    assert "lenet6" in capsys.readouterr().err
