"""Another project with a training loop of its own: the kernels alone, in its own compiled functions."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import fastnn_kernels as fk

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "tests" / "example_project"
MODULE = PROJECT / "bars_cnn.py"

# `fastnn` must not be imported, so it cannot be; then the same source, uncompiled, with the twins in place of the
# kernels, has to come to the same.
PROGRAM = """
import sys

class NoFastnn:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "fastnn":
            raise ImportError("fastnn is blocked")

sys.meta_path.insert(0, NoFastnn())

import bars_cnn, numpy as np
images, labels = bars_cnn.bars(240, 1, np.float64)

def run():
    params = bars_cnn.first_parameters(3, 2, np.float64)
    losses = bars_cnn.cross_validate(params, images, labels, 10, 32)
    right = [bars_cnn.accuracy(params[k], images[k::3], labels[k::3]) for k in range(3)]
    assert (losses[:, -1] < 0.2 * losses[:, 0]).all(), losses
    assert min(right) > 0.9, right
    return params, losses, right

compiled = run()
for name, function in list(vars(bars_cnn).items()):
    setattr(bars_cnn, name, getattr(function, "py_func", function))
bars_cnn.fk = bars_cnn.fk.reference
for a, e in zip(compiled, run(), strict=True):
    np.testing.assert_allclose(a, e, rtol=1e-8, atol=1e-8)
assert "fastnn" not in sys.modules
print("same")
"""


def run(*arguments: str) -> str:
    path = os.pathsep.join([str(ROOT / "kernels"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, *arguments], cwd=PROJECT, env={**os.environ, "PYTHONPATH": path}, capture_output=True,
        text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_loss_falls_and_the_twins_come_to_the_same() -> None:
    assert run("-c", PROGRAM) == "same\n"


def test_it_needs_the_kernels_alone_and_calls_ten() -> None:
    tree = ast.parse(MODULE.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"fastnn_kernels", "numpy", "numba"}
    called = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "fk"
    }
    assert called <= set(fk.__all__)
    assert len(called) >= 10
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["dependencies"] == ["fastnn-numba", "numpy", "numba"]
