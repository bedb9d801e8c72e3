"""`fastnn profile kernels`: results equal before they are timed, figures that belong together, what Ctrl-C leaves."""

import csv
import functools
import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

import fastnn as fn
import fastnn_kernels as fk
from fastnn import profile
from fastnn.cli import main
from fastnn.cli import profile as command
from fastnn.profile import blas, kernel_times, machine, table
from fastnn.profile.equality import check, results
from fastnn.profile.kernel_results import RATIOS, SERIES
from fastnn.profile.parts import LOOPS, smaller
from fastnn.profile.timing import Time, seconds_of, take_turns
from fastnn.profile.torch_calls import as_ours, torch_calls
from fastnn.profile.work import every_work
from fastnn_kernels import reference

WORKS = every_work()
QUICK = {"rounds": 2, "seconds": 0.0, "torch": False}


@pytest.fixture(autouse=True)
def known_peaks(monkeypatch):
    monkeypatch.setattr(machine, "limits", lambda threads: {"gflops": 100.0 * threads, "gbytes": 10.0})


@pytest.fixture(scope="module")
def measured():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine, "limits", lambda threads: {"gflops": 100.0 * threads, "gbytes": 10.0})
        return profile.kernels(["conv2d", "im2col", "adam_update"], shape="lenet-5", threads=2, **QUICK)


def test_it_is_reached_from_the_package():
    assert fn.profile is profile


def test_every_kernel_and_shape_that_was_asked_for(measured):
    assert [(row.kernel, row.shape.partition(" (")[0]) for row in measured.rows] == [
        ("conv2d", "LeNet-5 conv1"),
        ("conv2d", "LeNet-5 conv2"),
        ("conv2d", "LeNet-5 conv2, one image"),
        ("im2col", "LeNet-5 conv1"),
        ("im2col", "LeNet-5 conv2"),
        ("adam_update", "LeNet-5"),
    ]
    assert measured.threads == measured.machine["threads"] == 2
    assert not measured.interrupted
    for row in measured.rows:
        assert all(0 < getattr(row, name) < 100 for name in ("loops", "numpy", "one", "all"))
        assert (row.im2col is not None) == (row.kernel == "conv2d")
        assert row.torch is None
        assert set(row.spread) == set(SERIES) - {"torch"} - (set() if row.im2col else {"im2col"})
        assert 0 < row.loops_share < 1
    with pytest.raises(FrozenInstanceError):
        measured.threads = 3


def test_figures_follow_from_times(measured):
    conv, adam = measured.rows[0], measured.rows[-1]
    assert conv.gflops == pytest.approx(2 * 128 * 6 * 24 * 24 * 25 / conv.all / 1e9)
    assert conv.gbytes == pytest.approx(conv.bytes / conv.all / 1e9)
    assert conv.share_of_peak == pytest.approx(conv.gflops / 200)
    assert conv.share_of_bandwidth == pytest.approx(conv.gbytes / 10)
    assert (adam.gflops, adam.share_of_peak) == (None, None)
    ratios = {"loops": conv.loops / conv.one, "numpy": conv.numpy / conv.one, "im2col": conv.im2col / conv.one}
    assert conv.speed_up == ratios | {"torch": None}
    # Extrapolated: one image of 128 and one filter of six were timed.
    assert conv.loops_share == pytest.approx(1 / (128 * 6))
    assert conv.loops > 50 * conv.one


def test_dict_json_and_csv_have_all_figures(measured):
    plain = measured.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["peaks"] == {"gflops": 200.0, "gbytes": 10.0}
    assert plain["machine"]["numpy"] == np.__version__
    lines = list(csv.DictReader(io.StringIO(measured.to_csv())))
    assert len(lines) == len(plain["kernels"]) == len(measured.rows)
    for line, row in zip(lines, plain["kernels"], strict=True):
        flat = {name: value for name, value in row.items() if name not in ("spread", "speed_up")}
        flat |= {f"spread_{name}": row["spread"].get(name) for name in SERIES}
        flat |= {f"speed_up_{name}": row["speed_up"][name] for name in RATIOS}
        assert line == {name: "" if value is None else str(value) for name, value in flat.items()}


def test_the_table_has_a_line_a_kernel_under_its_shape(measured):
    lines = str(measured).splitlines()
    assert lines[0].split()[:6] == ["kernel", "loops*", "NumPy", "im2col+BLAS", "1", "thread"]
    assert "PyTorch" not in lines[0]  # a column without a cell
    assert max(map(len, lines)) <= 126
    top = lines.index(measured.rows[0].shape)
    conv, columns = lines[top + 1], lines[top + 2]
    assert conv.startswith("  conv2d ") and columns.startswith("  im2col ")
    assert table.time_text(measured.rows[0].one) in conv.split()
    assert f"{table.digits(measured.rows[0].speed_up['numpy'], 2)}x" in conv.split()
    assert any("timed on a small part of the work and extrapolated" in line for line in lines)
    assert "200 GFLOP/s, 10.0 GB/s" in str(measured)


def test_a_narrow_terminal_gets_two_tables(measured):
    wide, narrow = str(measured).splitlines(), measured.as_text(80).splitlines()
    top = narrow.index("", 1)
    tables = narrow[:top], narrow[top + 1 : narrow.index("", top + 1)]
    assert max(map(len, [*tables[0], *tables[1]])) <= 80
    for table_lines in tables:
        assert len(table_lines) == wide.index("") and table_lines[0].startswith("kernel")
        assert [line[:10] for line in table_lines[2:]] == [line[:10] for line in wide[2 : wide.index("")]]
    full = {" ".join(line.split()) for line in wide}
    both = {" ".join([*one.split(), *other.split()[1:]]) for one, other in zip(*tables, strict=True)}
    rows = [line for line in full if line.startswith(("conv2d ", "im2col ", "adam_update "))]
    assert len(rows) == len(measured.rows) and set(rows) <= both
    assert measured.as_text(200) == str(measured)


@pytest.mark.parametrize(("terminal", "width"), [(True, 91), (False, None)])
def test_the_command_looks_how_wide_the_terminal_is(monkeypatch, terminal, width):
    monkeypatch.setenv("COLUMNS", "91")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    assert command.width() == width


def test_on_one_thread_without_loops():
    found = profile.kernels("adam_update", shape="(756)", threads=1, loops=False, **QUICK)
    (row,) = found.rows
    assert row.all == row.one and row.loops is None and row.loops_share is None
    assert "loops" not in str(found) and "2 threads" not in str(found)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"names": "conv3d"}, ValueError, "no kernel 'conv3d' is profiled; there are conv2d, conv2d_backward_input"),
        ({"names": ["adam_update", 3]}, ValueError, "no kernel 3"),
        ({"names": "adam_update", "shape": "conv1"}, ValueError, "no shape of adam_update contains 'conv1'; there"),
        ({"shape": "AlexNet"}, ValueError, "no shape contains 'AlexNet'"),
        ({"shape": 3}, TypeError, "shape is 3"),
        ({"threads": 0}, ValueError, "threads is 0"),
        ({"threads": 10_000}, ValueError, "n is 10000"),
        ({"threads": 1.5}, TypeError, "threads is 1.5"),
        ({"rounds": 1}, ValueError, "rounds is 1, at least 2"),
        ({"seconds": -1.0}, ValueError, "seconds is -1.0"),
        ({"names": 3}, TypeError, "names is 3 (int)"),
        ({"loops": 3}, TypeError, "loops is 3 (int), True or False is needed"),
        ({"torch": "no"}, TypeError, "torch is 'no' (str), True or False is needed"),
    ],
)
def test_refusals(arguments, error, text):
    before = fk.get_num_threads()
    with pytest.raises(error) as caught:
        profile.kernels(**arguments)
    assert text in str(caught.value)
    assert fk.get_num_threads() == before


@pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name)
def test_loops_agree_with_twins(work):
    part, share = smaller(work.kernel, work.call())
    assert 0 < share <= 1
    found = results(work, LOOPS[work.kernel], part)
    check(work.name, "the loops", found, results(work, getattr(reference, work.kernel), part))
    assert sum(np.count_nonzero(array) for array in found) > 0


@pytest.mark.parametrize("kernel", sorted(LOOPS))
def test_the_share_is_that_of_the_results_or_arguments(kernel):
    work = max((work for work in WORKS if work.kernel == kernel), key=lambda work: work.bytes)
    part, share = smaller(kernel, work.call())

    def size(call):
        return call[0][0].size * (call[0][1].size if kernel in ("conv2d", "dense") else 1)

    assert share == pytest.approx(size(part) / size(work.call()))


@pytest.mark.parametrize("wrong", ["compiled", "loops", "nan", "shape"])
def test_a_wrong_result_is_caught_before_anything_is_timed(monkeypatch, wrong):
    right = fk.avg_pool2d if wrong != "loops" else LOOPS["im2col"]

    def broken(x, *args, **given):
        y = right(x, *args, **given)
        if wrong == "shape":
            return y[1:]
        y.flat[7] = np.nan if wrong == "nan" else y.flat[7] + np.float32(0.01)
        return y

    def timed(*_):
        raise AssertionError("it was timed")

    if wrong == "loops":
        monkeypatch.setitem(LOOPS, "im2col", broken)
    else:
        monkeypatch.setattr(fk, "avg_pool2d", broken)
    monkeypatch.setattr(kernel_times, "take_turns", timed)
    monkeypatch.setattr(kernel_times, "seconds_of", timed)
    name = "im2col" if wrong == "loops" else "avg_pool2d"
    who = "the loops in Python" if wrong == "loops" else "the compiled kernel"
    before = fk.get_num_threads()
    with pytest.raises(RuntimeError, match=rf"{name} LeNet-5 .*: {who} (differs|gives a result of shape)"):
        profile.kernels(name, shape="LeNet", threads=1, **QUICK)
    assert fk.get_num_threads() == before


def test_ctrl_c_keeps_what_is_done():
    before = fk.get_num_threads()
    shown = []

    def progress(text):
        shown.append(text)
        if len(shown) == 3:
            raise KeyboardInterrupt

    found = profile.kernels("adam_update", threads=2, loops=False, progress=progress, **QUICK)
    assert shown[0] == "1 of 4: adam_update MLP 4-32-16-4 (756)"
    assert [row.shape for row in found.rows] == ["MLP 4-32-16-4 (756)", "layer (10,000)"]
    assert found.interrupted and found.to_dict()["interrupted"]
    assert str(found).endswith("Interrupted: this is what was done.")
    assert fk.get_num_threads() == before


def test_ctrl_c_while_a_kernel_runs_on_one_thread(monkeypatch):
    before = fk.get_num_threads()

    def interrupted(calls, rounds, seconds, prepare):
        prepare["one"]()
        raise KeyboardInterrupt

    monkeypatch.setattr(kernel_times, "take_turns", interrupted)
    found = profile.kernels("adam_update", threads=2, loops=False, **QUICK)
    assert found.rows == () and str(found) == "Interrupted before the first kernel was done."
    assert found.to_csv().startswith("kernel,shape,") and found.to_csv().count("\n") == 1
    assert fk.get_num_threads() == before


def test_one_thread_is_one_and_all_are_all(monkeypatch):
    right, seen = fk.relu, []
    monkeypatch.setattr(fk, "relu", lambda x: (seen.append(fk.get_num_threads()), right(x))[1])
    profile.kernels("relu", shape="LeNet", threads=2, loops=False, **QUICK)
    # Compared on all; then on one and on all in turn, a round to warm up and two that count.
    assert seen == [2] + [1, 2] * 3


def test_calls_take_turns():
    called = []
    calls = {"a": lambda: called.append("a"), "b": lambda: called.append("b")}
    times = take_turns(calls, 3, 0.0, {"b": lambda: called.append("before b")})
    assert called == ["a", "before b", "b"] * 4
    assert {name: len(found) for name, found in times.items()} == {"a": 3, "b": 3}
    assert Time.of([1.0, 2.0, 3.0, 4.0, 9.0]) == Time(3.0, 2 / 3)


def test_short_calls_are_timed_many_at_once(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("fastnn.profile.timing.time.perf_counter", lambda: clock[0])

    def call():
        clock[0] += 0.5

    assert seconds_of(call, 5.0) == 0.5
    assert clock[0] == 0.5 * 11
    assert seconds_of(call, 0.1) == 0.5
    assert clock[0] == 0.5 * 12


def test_blas_runs_on_one_thread_meanwhile():
    library = blas._library()
    if library is None:
        pytest.skip("NumPy's BLAS is not known")
    get, put = library
    before = get()
    try:
        put(2)
        with blas.one_thread() as told:
            assert told and get() == 1
        assert get() == 2
    finally:
        put(before)


def test_a_blas_that_is_not_known_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(blas, "_library", lambda: None)
    found = profile.kernels("adam_update", shape="(756)", threads=1, loops=False, **QUICK)
    assert not found.blas_on_one_thread
    assert "BLAS used threads of its own" in str(found)


def test_bandwidth_is_measured(monkeypatch):
    monkeypatch.setattr(machine, "_TOTAL", 2**18)
    monkeypatch.setattr(machine, "_LEAST", 2**18)
    assert 0.1 < machine.bandwidth.__wrapped__(2) < 10_000


def test_numbers_are_short():
    texts = [table.time_text(t) for t in (None, 2.5e-6, 4.567e-4, 0.0123, 155.4)]
    assert texts == ["", "2.50us", "457us", "12.3ms", "155s"]
    assert [table.digits(x, 2) for x in (0.19, 7.54, 33.4, 8157.0)] == ["0.2", "7.5", "33", "8,157"]


def test_the_command_prints_and_writes_the_same(tmp_path, capsys):
    files = [str(tmp_path / name) for name in ("k.json", "k.csv")]
    options = ["--shape", "(32x10)", "--threads", "1", "--no-torch", "--no-loops", "--json", files[0]]
    options += ["--csv", files[1]]
    before = fk.get_num_threads()
    assert main(["profile", "kernels", "softmax_cross_entropy", *options]) == 0
    captured = capsys.readouterr()
    assert captured.err == "1 of 1: softmax_cross_entropy (32x10)\n"
    (row,) = json.loads((tmp_path / "k.json").read_text())["kernels"]
    assert table.time_text(row["one"]) in captured.out.split()
    (line,) = csv.DictReader(io.StringIO((tmp_path / "k.csv").read_text()))
    assert float(line["one"]) == row["one"]
    assert fk.get_num_threads() == before


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "{kernels"),
        (["kernels", "conv3d"], "no kernel 'conv3d'"),
        (["kernels", "--shape", "AlexNet"], "no shape contains 'AlexNet'"),
        (["kernels", "--threads", "0"], "--threads"),
        (["kernels", "--json", "a/b/c.json"], "a/b/c.json"),
        (["kernels", "--json", "a", "--csv", "a"], "--json and --csv are the same file"),
    ],
)
def test_wrong_arguments_are_one_line(capsys, tmp_path, monkeypatch, arguments, text):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["profile", *arguments])
    except SystemExit as stop:
        code = stop.code
    captured = capsys.readouterr()
    assert (code, captured.out, captured.err.count("\n")) == (2, "", 1)
    assert captured.err.startswith("fastnn: error: ") and text in captured.err


def test_ctrl_c_before_the_first_kernel_says_so_and_ends_with_130(tmp_path, capsys, monkeypatch):
    path = tmp_path / "k.json"

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(machine, "limits", interrupted)
    assert main(["profile", "kernels", "--json", str(path)]) == 130
    captured = capsys.readouterr()
    assert captured.out == "Interrupted before the first kernel was done.\n"
    assert captured.err == "fastnn: interrupted\n"
    found = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (found["kernels"], found["interrupted"]) == ([], True)
    monkeypatch.setattr(profile, "kernels", interrupted)
    assert main(["profile", "kernels"]) == 130
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "fastnn: interrupted before anything was measured\n")


@pytest.mark.skipif(sys.platform == "win32", reason="has no SIGINT for one process")
def test_ctrl_c_prints_the_table_and_ends_with_130(tmp_path):
    path = tmp_path / "k.json"
    command = [sys.executable, "-m", "fastnn", "profile", "kernels", "--no-loops", "--no-torch", "--json", str(path)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # Shells start what runs in the background with SIGINT ignored, and children inherit that.
    listen = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, env=environment, preexec_fn=listen, **pipes) as process:
        try:
            assert any(line.startswith("3 of ") for line in process.stderr)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Interrupted: this is what was done." in out and "  conv2d_backward_input " in out
    assert err.splitlines()[-1] == "fastnn: interrupted" and "Traceback" not in err
    assert 2 <= len(json.loads(path.read_text())["kernels"]) < 10


@pytest.mark.torch
@pytest.mark.parametrize("kernel", sorted({work.kernel for work in WORKS}))
def test_pytorch_gives_the_results_of_the_twin(kernel):
    pytest.importorskip("torch")
    work = min((work for work in WORKS if work.kernel == kernel), key=lambda work: work.bytes)
    args, given = work.call()
    expected = results(work, getattr(reference, kernel), (args, given))
    for layout, call in torch_calls(work, args, given).items():
        found = as_ours(work, call())
        check(work.name, layout, found, expected)
        found[0].flat[0] += np.float32(1.0)
        with pytest.raises(RuntimeError, match="differs by"):
            check(work.name, layout, found, expected)
