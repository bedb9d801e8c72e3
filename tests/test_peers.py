"""The benchmark beside PyTorch counts work and reduces rounds as it says."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
import jax_worker
import nets
import peers


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
    result = peers.summary("lenet5:128", rounds_of(speeds | {"compile": [None] * 3}))
    assert result["best_variant"] == "eager"
    assert result["ratio"] == 3.0  # of 2, 6 and 3
    assert result["ratio_to_best_round"] == 2.0
    assert result["errors"] == {"compile": "no compiler"}
    flops = nets.training_flops(nets.NETS["lenet5"])
    assert result["share_of_peak"] == pytest.approx(100 * flops / 100e9)


def test_without_peers_there_is_no_ratio():
    result = peers.summary("keras_cnn:128", rounds_of({"fastnn": [100, 120, 90]}))
    assert result["fastnn"] == 100
    assert "ratio" not in result


def test_each_library_has_a_ratio_to_its_best_variant():
    speeds = {"fastnn": [100, 120, 90], "eager": [50, 20, 30], "jax jit": [10, 20, 30], "jax scan": [50, 60, 90]}
    result = peers.summary("mlp:32", rounds_of(speeds))
    assert result["best_variant"] == "jax scan"
    assert result["ratios"] == {"eager": 3.0, "jax scan": 2.0}


def test_jax_runs_plain_chains_alone():
    assert [name for name, net in nets.NETS.items() if jax_worker.can_run(net)] == [
        "lenet5", "keras_cnn", "vgg_small", "mlp",
    ]  # fmt: skip


def test_the_losses_of_jax_are_those_of_fastnn(tmp_path):
    pytest.importorskip("jax")
    import workers

    net, weights = nets.NETS["lenet5"], tmp_path / "weights.npz"
    ours = workers.fastnn_worker(net, 8, 1, 8 * 30, 0.01, weights)["runs"]
    theirs = jax_worker.jax_worker(net, 8, 8 * 30, 0.01, weights, list(jax_worker.VARIANTS))["runs"]
    assert set(theirs) == {"jax jit", "jax scan"}
    peers._check_losses("lenet5:8", ours | theirs)


def test_different_losses_stop_the_comparison():
    good = {"fastnn": {"losses": [2.0, 1.0]}, "eager": {"losses": [2.0, 1.00005]}, "compile": {"error": "no"}}
    peers._check_losses("lenet5:128", good)
    for bad in (1.001, float("nan")):
        with pytest.raises(SystemExit, match="eager differ"):
            peers._check_losses("lenet5:128", good | {"eager": {"losses": [2.0, bad]}})
