"""The works that are profiled are what they say, and the benchmark of kernels compares only what is equal."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import fastnn_kernels as fk
from fastnn.profile.torch_calls import as_ours
from fastnn.profile.work import CONVOLUTIONS, convolution, every_work

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import kernel_peers

WORKS = every_work()


def test_works_have_names_of_their_own_and_public_kernels():
    assert len({work.name for work in WORKS}) == len(WORKS)
    assert {work.kernel for work in WORKS} <= set(fk.__all__)


def test_a_convolution_counts_its_products_and_bytes():
    forward, backward_input, backward_weight = convolution(CONVOLUTIONS[1])
    assert forward.shape == "LeNet-5 conv2 (128x6x12x12, 5x5, 16)"
    assert forward.flops == backward_input.flops == backward_weight.flops == 2 * 128 * 16 * 8 * 8 * 6 * 25
    assert forward.bytes == 4 * (128 * 6 * 12 * 12 + 16 * 6 * 25 + 128 * 16 * 8 * 8)


@pytest.mark.parametrize("work", [w for w in WORKS if w.flops < 5e7], ids=lambda work: work.name)
def test_bytes_are_those_of_arguments_and_results(work):
    args, options = work.call()
    arrays = [a for a in args if isinstance(a, np.ndarray)]
    again = [a for a in work.call()[0] if isinstance(a, np.ndarray)]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(arrays, again, strict=True))
    result = getattr(fk, work.kernel)(*args, **options)
    results = [r for r in (result if isinstance(result, tuple) else (result,)) if isinstance(r, np.ndarray)]
    moved = sum(a.nbytes for a in [*arrays, *results]) + sum(args[i].nbytes for i in work.in_place)
    assert work.bytes == pytest.approx(moved, rel=0.02)


@pytest.fixture
def no_torch(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "torch" else find(name, *a))


@pytest.mark.usefixtures("no_torch")
def test_without_pytorch_it_measures_alone(tmp_path, capsys):
    options = ["adam_update layer", "(32x10)", "--rounds", "1", "--seconds", "0.001", "--threads", "1"]
    assert kernel_peers.main([*options, "--json", str(tmp_path / "k.json"), "--write", str(tmp_path / "k.md")]) == 0
    printed = capsys.readouterr().out
    assert "PyTorch is not installed" in printed
    found = json.loads((tmp_path / "k.json").read_text())
    assert [r["kernel"] for r in found] == ["softmax_cross_entropy", "adam_update", "adam_update"]
    assert all(0 < r["seconds"]["fastnn"] < 1 for r in found)
    assert (tmp_path / "k.md").read_text() in printed


def test_words_that_name_nothing_are_refused(capsys):
    with pytest.raises(SystemExit):
        kernel_peers.main(["convolution"])
    assert "no kernel or shape is named like convolution" in capsys.readouterr().err


@pytest.mark.torch
def test_results_that_differ_stop_it(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(kernel_peers, "as_ours", lambda work, found: [a + 0.1 for a in as_ours(work, found)])
    with pytest.raises(RuntimeError, match=r"adam_update MLP .*: PyTorch, contiguous, differs by 0\.1"):
        kernel_peers.main(["adam_update MLP", "--rounds", "1", "--threads", "1"])
