"""The executor as on a machine with AVX2 and without AVX-512: 8 lanes of float32, half as many registers.

In a process of its own, since the lanes are fixed when the package is imported.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from llvmlite import binding

TESTS = Path(__file__).parent
HERE = binding.get_host_cpu_features()

# One net, its training, an op that works across blocks, tiles of two vectors of filters: compiling more takes longer
# than it tells.
QUICK = [
    "test_executor.py::test_gradients_in_float32_equal_the_reference[same_padded]",
    "test_executor.py::test_training_in_float32_equals_the_reference[momentum_update]",
    "test_own_ops.py::test_an_op_that_needs_the_mean_of_the_batch[float32]",
    "test_conv_deep.py::test_outputs_are_exact_and_have_the_bits_of_the_flat_form[case4-float32]",
    "test_conv_weight.py::test_small_integers_are_exact[deep-case4-float32]",
    "test_conv_weight.py::test_small_integers_are_exact[dots-case14-float32]",
    "test_conv_wide.py::test_weight_gradients_of_small_integers_are_exact[case0-float32]",
    "test_matmul.py::test_small_integers_are_exact[shape0-float32]",
]

LANES = """
from fastnn_kernels._jit import ISA, TILE_LIMIT, lane_count
print(ISA, lane_count(32), lane_count(64), TILE_LIMIT)
"""


@pytest.fixture
def environment(pytestconfig):
    """Environment of a process that takes this machine for one with AVX2; its cache stays from run to run."""
    if not (HERE.get("avx2") and HERE.get("fma")):
        pytest.skip("this machine has no AVX2 with FMA")
    return {
        **os.environ,
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+avx2,+fma",  # the name alone keeps AVX-512
        "NUMBA_CACHE_DIR": str(pytestconfig.rootpath / ".pytest_cache" / "avx2"),
    }


def run(environment, *arguments):
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, env=environment, cwd=TESTS, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_lanes_follow_the_features(environment):
    assert run(environment, "-c", LANES).split() == ["avx2", "8", "4", "12"]


@pytest.mark.slow
def test_the_executor_equals_the_reference(environment):
    told = run(environment, "-m", "pytest", "-q", "--numprocesses=0", "-p", "no:cacheprovider", *QUICK)
    assert f"{len(QUICK)} passed" in told, told
