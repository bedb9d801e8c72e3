"""Compiled code kept between processes: found again, never stale, never in the way.

Each test runs small programs on a copy of the kernels, so that it can edit them and see every file of the cache.
"""

import os
import shutil

import pytest
from places import Place

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
_threads.workers_for = lambda tasks, work: min(_threads.get_num_threads(), tasks)
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


class ReluPlace(Place):
    """A place where relu is run."""

    def start_relu(self, before="", *, parallel=False):
        return self.start(RELU.format(before=before, parallel=parallel))

    def told(self, process):
        return Told(self.printed(process))

    def run(self, before="", *, parallel=False):
        return self.told(self.start_relu(before, parallel=parallel))


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    """A place where a program has run, with threads."""
    place = ReluPlace(tmp_path_factory.mktemp("used"))
    told = place.run(parallel=True)
    assert told.right
    assert told.statistics == {"hits": 0, "misses": CALLS + 1, "unsaved": 0}
    assert told.folder == str(place.cache)
    return place


@pytest.fixture
def cold(used, tmp_path):
    """A place with an empty cache."""
    return ReluPlace(tmp_path, used.package)


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
    running = [cold.start_relu() for _ in range(2)]
    for process in running:
        assert cold.told(process).right
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
