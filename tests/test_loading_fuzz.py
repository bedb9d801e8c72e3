"""Files changed at random, byte by byte and value by value: a model or a ValueError, soon, and nothing else."""

import json
import os
import time

import numpy as np
import pytest
from files import contents, tiny

import fastnn as fn
from fastnn import container

# Files tried by each test: a few, or as many as the environment says.
FILES = 2 * int(os.environ.get("FASTNN_EXAMPLES", "50"))
SECONDS = 5  # which no file may take
STRANGE = [None, True, False, 0, -1, 1, 2**31, 10**30, 0.5, -0.0, 1e308, "", "relu", "inf", [], {}, [1, 2], "x" * 5000]


def check(path, data=None):
    """Load the file; if it is taken for a model, use it."""
    if data is not None:
        path.write_bytes(data)
    start = time.perf_counter()
    try:
        model = fn.load(path)
        model.backend = "reference"
        with np.errstate(all="ignore"):
            model.predict(np.ones((1, *model.input_shape), np.float32))
        loaded = True
    except ValueError as error:
        assert str(path) in str(error)
        loaded = False
    assert time.perf_counter() - start < SECONDS
    return loaded


def flip(rng, data):
    for place in rng.integers(0, len(data), rng.integers(1, 5)):
        data[place] ^= 1 << int(rng.integers(8))
    return data


def overwrite(rng, data):
    for place in rng.integers(0, len(data), rng.integers(1, 5)):
        data[place] = int(rng.choice(list(b'09-.e"[]{},:\x00\xff')))
    return data


def cut(rng, data):
    return data[: rng.integers(len(data))]


def splice(rng, data):
    """Copy a piece of the file to another place, over what is there or in between."""
    a, b, length = *rng.integers(0, len(data), 2).tolist(), int(rng.integers(1, 60))
    data[b : b + (length if rng.random() < 0.5 else 0)] = data[a : a + length]
    return data


def delete(rng, data):
    start = int(rng.integers(len(data)))
    del data[start : start + int(rng.integers(1, 60))]
    return data


def splice_text(rng, data):
    """Splice inside the header, and tell its new length, so that it is read on."""
    length = int.from_bytes(data[:8], "little")
    text = (delete if rng.random() < 0.3 else splice)(rng, data[8 : 8 + length])
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def content(data):
    """Leave out the spaces that may follow the header."""
    end = 8 + int.from_bytes(data[:8], "little")
    return data[8:end].rstrip(b" "), data[end:]


@pytest.mark.parametrize("change", [flip, overwrite, cut, splice, delete, splice_text])
def test_bytes_changed_at_random(tmp_path, change):
    path = tiny(tmp_path / "model")
    whole = path.read_bytes()
    for k in range(FILES):
        data = bytes(change(np.random.default_rng((k, 7)), bytearray(whole)))
        assert check(path, data) == (content(data) == content(whole)), k


def places(value, found=()):
    """Go through all values inside a JSON value: where they are."""
    yield found
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield from places(item, (*found, key))


def mutate(rng, value, strange):
    """Replace, move, double or remove a value somewhere inside a JSON value."""
    every = list(places(value))
    *way, last = every[rng.integers(1, len(every))]
    holder = value
    for key in way:
        holder = holder[key]
    source = value
    for key in every[rng.integers(len(every))]:
        source = source[key]
    action = rng.integers(4)
    if action == 0:
        del holder[last]
    elif action == 1:
        holder[last] = json.loads(json.dumps(source))
    elif action == 2 and isinstance(holder, dict):
        holder["more"] = strange
    else:
        holder[last] = strange


def test_descriptions_changed_at_random(tmp_path):
    path = tiny(tmp_path / "model")
    arrays, description = contents(path)
    text = json.dumps(description)
    loaded = 0
    for k in range(FILES):
        rng = np.random.default_rng((k, 8))
        changed = json.loads(text)
        for _ in range(rng.integers(1, 4)):
            if list(places(changed)) != [()]:
                mutate(rng, changed, STRANGE[rng.integers(len(STRANGE))])
        container.write(path, arrays, changed)
        loaded += check(path)
    assert loaded < FILES / 2
