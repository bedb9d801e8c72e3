"""What `import fastnn` offers, and that it stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import fastnn as fn


def test_every_public_name_is_there():
    for name in fn.__all__:
        assert getattr(fn, name) is not None
    assert dir(fn) == sorted(fn.__all__)
    assert not hasattr(fn, "no_such_name")


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(fn.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    names = [alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(names) == sorted(fn.__all__)


def test_importing_fastnn_imports_neither_numba_nor_numpy():
    code = "import sys, fastnn; print({'numba', 'numpy', 'fastnn_kernels'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.strip() == "set()"
