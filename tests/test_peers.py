"""The benchmark beside PyTorch counts work and reduces rounds as it says."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import inference
import jax_worker
import nets
import peers
import peers_table
import workers


def test_useful_work_of_a_training_image():
    # conv1: y, dw; conv2 and dense: y, dw, dx; two operations a multiply-add
    lenet = 2 * (2 * 24 * 24 * 6 * 25 + 3 * (8 * 8 * 16 * 150 + 256 * 120 + 120 * 84 + 84 * 10))
    assert nets.training_flops(nets.NETS["lenet5"]) == lenet
    assert nets.training_flops(nets.NETS["keras_cnn"]) / 1e6 == pytest.approx(25.0, abs=0.05)
    assert lenet / 1e6 == pytest.approx(1.52, abs=0.005)


def test_useful_work_of_deeper_nets():
    # Multiply-adds of an image: the first layer, then the others.
    others = {
        "vgg_small": (
            32 * 32 * 32 * 27,
            32 * 32 * 32 * 288 + 16 * 16 * 64 * (288 + 576) + 8 * 8 * 128 * (576 + 1152) + 2048 * 128 + 128 * 10,
        ),
        # Blocks of two convolutions; the second and the third have a 1x1 convolution beside them.
        "resnet8": (
            32 * 32 * 16 * 27,
            32 * 32 * 16 * 2 * 144 + 16 * 16 * 32 * (144 + 288 + 16) + 8 * 8 * 64 * (288 + 576 + 32) + 64 * 10,
        ),
        "separable": (
            32 * 32 * 32 * 27,
            32 * 32 * (32 * 9 + 64 * 32) + 16 * 16 * (64 * 9 + 128 * 64 + 128 * 9 + 128 * 128)
            + 8 * 8 * (128 * 9 + 256 * 128) + 256 * 10,
        ),
        "mlp": (4 * 32, 32 * 16 + 16 * 4),
    }  # fmt: skip
    assert {*others, "lenet5", "keras_cnn"} == set(nets.NETS)
    for name, (first, rest) in others.items():
        assert nets.training_flops(nets.NETS[name]) == 2 * (2 * first + 3 * rest), name


def test_data_are_the_same_each_time():
    net = nets.NETS["lenet5"]
    (x, y), (again, _) = nets.data(net, 50), nets.data(net, 50)
    assert x.dtype == np.float32
    assert x.shape == (50, 1, 28, 28)
    assert x.tobytes() == again.tobytes()
    assert set(y) == set(range(10))


def rounds_of(speeds):
    """Make rounds from {name: speed in each round}; None is a variant that does not run."""

    def run_of(speed):
        return {"error": "no compiler"} if speed is None else {"images_per_second": speed, "losses": [2.0]}

    count = len(speeds["fastnn"])
    runs = [{name: run_of(values[i]) for name, values in speeds.items()} for i in range(count)]
    return [{"runs": run, "fma_peak_gflops": 100.0} for run in runs]


def test_ratio_is_the_median_by_round_to_the_variant_with_the_best_round():
    speeds = {"fastnn": [100, 120, 90], "eager": [50, 20, 30], "channels_last": [40, 40, 40]}
    result = peers_table.summary("lenet5:128", rounds_of(speeds | {"compile": [None] * 3}))
    assert result["ratios"] == {"eager": 3.0}  # of 2, 6 and 3
    assert result["errors"] == {"compile": "no compiler"}
    flops = nets.training_flops(nets.NETS["lenet5"])
    assert result["share_of_peak"] == pytest.approx(100 * flops / 100e9)


def test_without_peers_there_is_no_ratio():
    result = peers_table.summary("keras_cnn:128", rounds_of({"fastnn": [100, 120, 90]}))
    assert result["fastnn"] == 100
    assert result["ratios"] == {}


def test_each_library_has_a_ratio_to_its_best_variant():
    speeds = {"fastnn": [100, 120, 90], "eager": [50, 20, 30], "jax jit": [10, 20, 30], "jax scan": [50, 60, 90]}
    result = peers_table.summary("mlp:32", rounds_of(speeds))
    assert result["ratios"] == {"eager": 3.0, "jax scan": 2.0}


def test_jax_runs_plain_chains_alone():
    assert [name for name, net in nets.NETS.items() if jax_worker.can_run(net)] == [
        "lenet5", "keras_cnn", "vgg_small", "mlp",
    ]  # fmt: skip


def test_the_losses_of_jax_are_those_of_fastnn(tmp_path):
    pytest.importorskip("jax")
    net, weights = nets.NETS["lenet5"], tmp_path / "weights.npz"
    ours = workers.fastnn_worker(net, 8, 1, 8 * 30, 0.01, weights)["runs"]
    theirs = jax_worker.jax_worker(net, 8, 8 * 30, 0.01, weights, list(jax_worker.VARIANTS))["runs"]
    assert set(theirs) == {"jax jit", "jax scan"}
    peers._check_losses("lenet5:8", ours | theirs)


def test_a_scan_has_losses_of_its_own(tmp_path, monkeypatch):
    jax = pytest.importorskip("jax")
    net, weights = nets.Net("tiny", (4,), (nets.Dense(3),)), tmp_path / "weights.npz"
    np.savez(weights, w=np.zeros((4, 3), np.float32), b=np.zeros(3, np.float32))
    scan = jax.lax.scan
    monkeypatch.setattr(jax.lax, "scan", lambda *args: (scan(*args)[0], scan(*args)[1] + 1))
    runs = jax_worker.jax_worker(net, 8, 8 * 30, 0.01, weights, list(jax_worker.VARIANTS))["runs"]
    difference = np.subtract(runs["jax scan"]["losses"], runs["jax jit"]["losses"])
    assert difference == pytest.approx([1.0] * workers.CURVE_STEPS, abs=1e-5)


def test_every_library_is_told_the_threads():
    found = workers.environment(3)
    assert {found[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "PJRT_NPROC")} == {"3"}


def test_compiled_variants_alone_may_fail(monkeypatch):
    monkeypatch.setattr(workers.shutil, "which", lambda name: None)
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "C++ compiler, and there is no no-such-compiler" in workers.torch_error("compile", ValueError())["error"]
    monkeypatch.setattr(workers.shutil, "which", lambda name: name)
    failed = workers.torch_error("compile+channels_last", ValueError("one\ntwo"))
    assert failed == {"error": "ValueError: one"}
    with pytest.raises(ValueError, match="one"):
        workers.torch_error("eager", ValueError("one"))


def test_inference_beside_pytorch(tmp_path):
    pytest.importorskip("torch")
    net, weights = nets.NETS["lenet5"], tmp_path / "weights.npz"
    ours = inference.fastnn_inference(net, 2, 1, 8, 0.001, weights)["runs"]
    theirs = inference.torch_inference(net, 2, 1, 8, 0.001, weights, ["eager", "channels_last"])["runs"]
    runs = {**ours, **theirs}
    assert set(runs) == {"fastnn", "eager", "channels_last"}
    row = peers_table.summary("lenet5:2", [{"runs": runs}])
    assert 0 < row["difference"] < inference.TOLERANCE
    (text,) = peers_table.tables("inference", [row | {"conditions": "here", "command": "python"}])
    assert "| LeNet-5 | 2 |" in text
    assert text.endswith("`python --case lenet5:2`")


def test_different_outputs_stop_the_comparison(tmp_path):
    weights = tmp_path / "weights.npz"
    np.save(tmp_path / "weights.npy", np.float32([-4, 1]))
    assert inference.checked("eager", np.float32([-4, 1.00002]), weights) == pytest.approx(5e-6, rel=0.01)
    for bad in (1.0001, np.nan):
        with pytest.raises(SystemExit, match="outputs of eager differ"):
            inference.checked("eager", np.float32([-4, bad]), weights)


def test_rows_of_one_command_share_a_table():
    row = peers_table.summary("mlp:32", [{**r, "runs": {"fastnn": {"images_per_second": 5, "losses": [2.0]}}}
                                        for r in rounds_of({"fastnn": [1]})])  # fmt: skip
    one, other = row | {"conditions": "here", "command": "a"}, row | {"conditions": "there", "command": "a"}
    first, second = peers_table.tables("training", [one, other, one | {"batch": 8}])
    assert [line.split("|")[2].strip() for line in first.splitlines()[2:4]] == ["32", "8"]
    assert first.endswith("`a --case mlp:32 --case mlp:8`")
    assert "there" in second and "there" not in first


def test_different_losses_stop_the_comparison():
    good = {"fastnn": {"losses": [2.0, 1.0]}, "eager": {"losses": [2.0, 1.00005]}, "compile": {"error": "no"}}
    peers._check_losses("lenet5:128", good)
    for bad in (1.001, float("nan")):
        with pytest.raises(SystemExit, match="eager differ"):
            peers._check_losses("lenet5:128", good | {"eager": {"losses": [2.0, bad]}})
