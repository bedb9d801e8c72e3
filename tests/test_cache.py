"""Compiled code kept between processes: found again, never stale, never in the way.

Each test runs small programs on a copy of the kernels, so that it can edit them and see every file of the cache.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastnn_kernels

PACKAGE = Path(fastnn_kernels.__file__).parent

# relu of one batch, without or with threads; prints the result and what the cache did.
RELU = """
import sys
import numpy as np
from fastnn_kernels import _cache, _threads
from fastnn_kernels.executor import Executor
from fastnn_kernels.memory import Memory
from fastnn_kernels.tape import Tape
{before}
tape = Tape()
tape.add("relu", x=tape.input((2,)))
executor = Executor(tape, Memory.create(tape, np.float64))
x = np.arange(-60.0, 60.0).reshape(60, 2)
y = executor.forward(x, 60)
_threads._PARALLEL_FROM, _threads._PARALLEL_FROM_ELSE = {{}}, 0
if {parallel}:
    _threads.set_num_threads(2)
    assert np.array_equal(executor.forward(x, 60), y)
right = np.array_equal(y, np.maximum(x, 0.0))
same = y.min() if y.min() == y.max() else "-"
print("right" if right else "wrong", same, *_cache.STATISTICS.values(), _cache.cache_folder())
"""
CALLS = 4  # load, relu, unload, the executor's loop


class Told:
    """What a program printed."""

    def __init__(self, line):
        result, same, hits, misses, unsaved, folder = line.split()
        self.right, self.same, self.folder = result == "right", same, folder
        self.statistics = {"hits": int(hits), "misses": int(misses), "unsaved": int(unsaved)}


class Place:
    """A copy of the package, and the environment in which programs use it."""

    def __init__(self, root, package):
        self.root = root
        self.package = root / "install" / "fastnn_kernels"
        shutil.copytree(package, self.package, ignore=shutil.ignore_patterns("__pycache__"))
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "PYTHON"))}
        self.environment = {**kept, "PYTHONPATH": str(self.package.parent), "PYTHONDONTWRITEBYTECODE": "1",
                            "NUMBA_NUM_THREADS": "2"}  # fmt: skip
        self.home(root / "home")

    def home(self, path):
        """Let the user's cache folder lie in `path`, on every system."""
        self.environment |= dict.fromkeys(("HOME", "USERPROFILE", "XDG_CACHE_HOME", "LOCALAPPDATA"), str(path))

    def start(self, before="", *, parallel=False):
        return self.start_program(RELU.format(before=before, parallel=parallel))

    def start_program(self, program):
        return subprocess.Popen(
            [sys.executable, "-c", program], env=self.environment, cwd=self.root, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def end(self, process):
        return Told(self.printed(process))

    def printed(self, process):
        """Wait for a program that must succeed and warn of nothing; return its line."""
        out, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, "")
        return out.strip()

    def run(self, before="", *, parallel=False):
        return self.end(self.start(before, parallel=parallel))

    @property
    def cache(self):
        return self.package / "__pycache__"

    def files(self, pattern="*"):
        return sorted(self.cache.glob(pattern))


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A place where a program has run, with threads."""
    place = Place(tmp_path_factory.mktemp("used"), PACKAGE)
    told = place.run(parallel=True)
    assert told.right
    assert told.statistics == {"hits": 0, "misses": CALLS + 1, "unsaved": 0}
    assert told.folder == str(place.cache)
    return place


@pytest.fixture
def cold(used, tmp_path):
    """A place with an empty cache."""
    return Place(tmp_path, used.package)


@pytest.fixture
def warm(used, cold):
    """A place with the cache of the used one."""
    shutil.copytree(used.cache, cold.cache)
    return cold


def contents(files):
    return {path.name: path.read_bytes() for path in files}


def test_a_second_process_compiles_nothing_and_adds_no_file(warm):
    before = contents(warm.files())
    assert len(warm.files("*.nbc")) == CALLS + 1
    told = warm.run(parallel=True)
    assert told.right
    assert told.statistics == {"hits": CALLS + 1, "misses": 0, "unsaved": 0}
    assert contents(warm.files()) == before


SEVEN = '''

_FORWARD[RELU] = inline(lambda x, option: vset(x, 7.0))
'''


def test_an_edit_in_another_file_is_seen(warm):
    # The op is defined in ops/activation.py; what it computes is in elementwise_block.py.
    file = warm.package / "elementwise_block.py"
    source = file.read_text(encoding="utf-8")
    assert "    RELU: _relu,\n" in source
    file.write_text(source + SEVEN, encoding="utf-8")
    told = warm.run()
    assert (told.right, told.same) == (False, "7.0")
    assert told.statistics == {"hits": 0, "misses": CALLS, "unsaved": 0}
    # The files of the edited package are not taken for those of the first one.
    file.write_text(source, encoding="utf-8")
    told = warm.run()
    assert told.right
    assert told.statistics["hits"] == 0


def test_a_new_file_is_seen(warm):
    (warm.package / "extra.py").write_text('"""New."""\n', encoding="utf-8")
    assert warm.run().statistics == {"hits": 0, "misses": CALLS, "unsaved": 0}


def test_two_processes_that_start_at_once_on_an_empty_cache(cold):
    running = [cold.start() for _ in range(2)]
    for process in running:
        assert cold.end(process).right
    assert cold.run().right
    assert cold.run().statistics == {"hits": CALLS, "misses": 0, "unsaved": 0}  # what the race lost is there now


def as_file(path):
    """Put a file where a folder is needed: nothing can be written there, not even by root."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")


def test_a_read_only_installation_keeps_its_cache_in_the_users_folder(cold):
    as_file(cold.cache)
    told = cold.run()
    assert told.right
    assert told.folder.startswith(str(cold.root / "home"))
    assert cold.run().statistics == {"hits": CALLS, "misses": 0, "unsaved": 0}


def test_where_nothing_can_be_written_everything_is_compiled_anew(cold):
    as_file(cold.cache)
    as_file(cold.root / "home")
    cold.environment["NUMBA_CACHE_DIR"] = str(cold.cache / "below_a_file")
    told = cold.run()
    assert told.right
    assert told.folder == "None"
    assert told.statistics == {"hits": 0, "misses": 0, "unsaved": 0}


def test_the_folder_of_numba_comes_first(warm):
    folder = warm.root / "elsewhere"
    shutil.copytree(warm.cache, folder / "fastnn_kernels")
    warm.environment["NUMBA_CACHE_DIR"] = str(folder)
    told = warm.run()
    assert told.folder == str(folder / "fastnn_kernels")
    assert told.statistics == {"hits": CALLS, "misses": 0, "unsaved": 0}


DISK_FULL = """
def save(*args):
    raise OSError(28, "No space left on device")
_cache._File._save_data = save
"""


def test_a_full_disk(cold):
    told = cold.run(DISK_FULL)
    assert told.right
    assert told.statistics == {"hits": 0, "misses": CALLS, "unsaved": CALLS}


def cut(content):
    return content[: len(content) // 2]


def zeros(content):
    return bytes(len(content))


def empty(content):
    return b""


def foreign(content):
    return b"cno_such_module\nnothing\n."  # a pickle of something that is not there


@pytest.mark.parametrize("kind", ["*.nbc", "*.nbi"])
def test_damaged_files_are_misses_and_written_anew(warm, kind):
    damages = (cut, zeros, empty, foreign)
    files = warm.files(kind)
    assert len(files) >= CALLS == len(damages)
    for k, path in enumerate(files):
        path.write_bytes(damages[k % CALLS](path.read_bytes()))
    told = warm.run()
    assert told.right
    assert told.statistics == {"hits": 0, "misses": CALLS, "unsaved": 0}
    assert warm.run().statistics == {"hits": CALLS, "misses": 0, "unsaved": 0}


OWN_OP = """
from fastnn_kernels.simd import lanes, vstore
from fastnn_kernels.stage import Call
from fastnn_kernels.vmath import vset
def relu(t):
    for f in range(2):
        vstore(t.arena, t.at[1] + f * lanes(t.arena), vset(t.arena, {value}))
    return 0
"""


USE_OWN_OP = """
from dataclasses import replace
import user_op
from fastnn_kernels import registry
old = registry.get("relu")
stage = replace(old.forward.stages[0], call=lambda *args: user_op.Call(user_op.relu))
registry._OPS["relu"] = replace(old, forward=replace(old.forward, stages=(stage,)))
"""


def test_an_edit_in_an_op_of_the_user_is_seen(warm):
    # It lies outside the package, so a stamp over the package does not cover it.
    warm.environment["PYTHONPATH"] += os.pathsep + str(warm.root)
    for value in ("5.0", "6.0"):
        (warm.root / "user_op.py").write_text(OWN_OP.format(value=value), encoding="utf-8")
        assert warm.run(USE_OWN_OP).same == value


# One of two kernels that a factory makes, compiled as the first function of its process; prints the cache's misses.
ONE_KERNEL = """
import numpy as np
import fastnn_kernels as fk
from fastnn_kernels._cache import STATISTICS
fk.{name}(np.zeros((1, 2)))
print(STATISTICS["misses"])
"""

# Both of them, and then both in one function of the user; prints the cache's hits.
BOTH_KERNELS = """
import numba
import numpy as np
import fastnn_kernels as fk
from fastnn_kernels._cache import STATISTICS
@numba.njit
def both(x):
    return fk.softmax(x), fk.log_softmax(x)
x = np.zeros((1, 2))
for p, log_p in ((fk.softmax(x), fk.log_softmax(x)), both(x)):
    assert np.allclose(p, 0.5), p
    assert np.allclose(log_p, np.log(0.5)), log_p
print(STATISTICS["hits"])
"""


def test_two_kernels_of_one_factory_that_two_processes_cached(cold):
    # The same lines, for another number, at the same place in the order of their process. Both are loaded before the
    # user's function links one after the other: a symbol of their common name would then be that of the newer one.
    running = [cold.start_program(ONE_KERNEL.format(name=name)) for name in ("softmax", "log_softmax")]
    assert [cold.printed(process) for process in running] == ["1", "1"]
    assert cold.printed(cold.start_program(BOTH_KERNELS)) == "2"
