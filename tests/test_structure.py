"""The rules of the house, checked on the source: one door to Numba, who imports whom, small files."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FASTNN, KERNELS = ROOT / "fastnn", ROOT / "kernels" / "fastnn_kernels"
THE_DOOR = KERNELS / "_jit.py"
PACKAGES = sorted([*FASTNN.rglob("*.py"), *KERNELS.rglob("*.py")])
ALL = sorted([*PACKAGES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])

DECORATORS = {"njit", "jit", "jit_module", "cfunc", "CFunc", "vectorize", "guvectorize", "stencil", "overload",
              "register_jitable"}  # fmt: skip
FLAGS = {"parallel", "fastmath", "nogil", "boundscheck", "error_model", "forceinline", "nopython", "forceobj"}
VARIABLES = "NUMBA" + "_"


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def imported(tree):
    """Give the full name of every absolute import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def numba_settings(source):
    """Give what only the one door may name: Numba's decorators, its flags, its environment variables."""
    found = {VARIABLES} if VARIABLES in source else set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            found |= {node.id} & DECORATORS
        elif isinstance(node, ast.Attribute):
            found |= {node.attr} & DECORATORS
        elif isinstance(node, ast.alias):
            found |= {node.name.rpartition(".")[2]} & DECORATORS
        elif isinstance(node, ast.keyword):
            found |= {node.arg} & FLAGS
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {node.value} & (FLAGS - {"parallel"})
    return found


def roots(tree):
    return {name.partition(".")[0] for name in imported(tree)}


def parse(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def test_there_is_something_to_check():
    assert THE_DOOR in PACKAGES
    assert len(PACKAGES) > 20
    assert numba_settings(THE_DOOR.read_text(encoding="utf-8")) >= {"njit", "CFunc", "nogil", "fastmath"}


@pytest.mark.parametrize(
    "source",
    [
        "import numba\n@numba.njit\ndef f(): pass",
        "from numba import njit as compiled",
        "import numba as nb\nf = nb.cfunc('f8()')(g)",
        "@entry(fastmath=True)\ndef f(): pass",
        "entry(f, **{'nogil': True})",
        f"import os\nos.environ['{VARIABLES}NUM_THREADS'] = '2'",
    ],
)
def test_the_detector_sees_settings(source):
    assert numba_settings(source)


@pytest.mark.parametrize("path", [p for p in PACKAGES if p != THE_DOOR], ids=name_of)
def test_only_the_door_names_decorators_flags_and_variables_of_numba(path):
    assert numba_settings(path.read_text(encoding="utf-8")) == set()


def test_fastnn_never_imports_numba():
    guilty = {name_of(p) for p in FASTNN.rglob("*.py") if roots(parse(p)) & {"numba", "llvmlite"}}
    assert guilty == set()


def test_twins_import_numpy_alone():
    twins = sorted((KERNELS / "reference").rglob("*.py"))
    assert twins
    assert {name_of(p) for p in twins if roots(parse(p)) & {"numba", "llvmlite"}} == set()


def test_nothing_is_imported_from_the_folder_kernels():
    assert {name_of(p) for p in ALL if "kernels" in roots(parse(p))} == set()
    assert not (ROOT / "kernels" / "__init__.py").exists()


def test_no_file_is_longer_than_400_lines():
    lengths = {name_of(p): len(p.read_text(encoding="utf-8").splitlines()) for p in ALL}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_fastnn_kernels_imports_without_fastnn():
    assert {name_of(p) for p in KERNELS.rglob("*.py") if "fastnn" in roots(parse(p))} == set()
    program = """
import sys

class NoFastnn:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "fastnn":
            raise ImportError("fastnn is blocked")

sys.meta_path.insert(0, NoFastnn())
import fastnn_kernels, fastnn_kernels.reference
assert "fastnn" not in sys.modules
try:
    import fastnn
except ImportError:
    print("blocked")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("blocked\n", 0), done.stderr
