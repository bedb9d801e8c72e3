"""Files that are damaged, cut off, too large or made to do harm: one ValueError that says what is wrong."""

import os
import sys
import tracemalloc

import numpy as np
import pytest
from files import forge, forge_text, tiny, write_header
from safetensors import safe_open

import fastnn as fn
from fastnn import container


@pytest.fixture
def path(tmp_path):
    return tiny(tmp_path / "model")


def refused(path, message, **options):
    """Check the error, and that little memory was taken on the way."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message) as raised:
            fn.load(path, **options)
        assert tracemalloc.get_traced_memory()[1] < 100 * 2**20
    finally:
        tracemalloc.stop()
    assert str(path) in str(raised.value)
    assert len(str(raised.value)) < 2000


def dense(**fields):
    """Return a change that replaces fields of the first dense layer."""
    return lambda arrays, d: d["model"]["layers"][1]["fields"].update(fields)


def with_layers(*layers):
    return lambda arrays, d: d["model"].update(layers=list(layers))


def layer(kind, **fields):
    return {"class": kind, "fields": fields}


def nested(depth):
    inner = layer("layers.ReLU")
    for _ in range(depth):
        inner = layer("layers.Dense", units=1, activation=inner)
    return inner


def setting(part, **values):
    return lambda arrays, d: d[part].update(values)


CHANGES = {
    "no layer class": (with_layers(layer("os.system", command="true")), r"class 'os.system', which is none"),
    "a base class": (with_layers(layer("layers.Layer")), "class 'layers.Layer', which is none"),
    "a module's name": (with_layers(layer("layers.base.Layer")), "none of fastnn's"),
    "a class that is no layer": (with_layers(layer("initializers.Constant", value=1.0)), r"layers\[0\] is Constant"),
    "a class name that is a number": (with_layers(layer(3)), "a class is a string"),
    "fields that are a list": (with_layers({"class": "layers.ReLU", "fields": []}), "its fields an object"),
    "an unknown object": (with_layers({"evil": 1}), "keys 'evil' means nothing"),
    "a layer that is a number": (with_layers(3), r"layers\[0\] is 3"),
    "no layers": (with_layers(), "layers is empty"),
    "too many layers": (with_layers(*[layer("layers.ReLU")] * 1001), "there are 1001 layers, at most 1000"),
    "too many layers inside": (
        with_layers(layer("layers.Residual", layers=[layer("layers.Dense", units=1)] * 2000)),
        "there are 2001 layers, at most 1000",
    ),
    "layers that are none": (setting("model", layers="Dense"), "layers is no list"),
    "a function": (with_layers({"function": "print"}), "function 'print', which is none"),
    "nested too deeply": (with_layers(nested(40)), "nested more than"),
    "an unknown field": (dense(__class__="int"), "no field '__class__'"),
    "a missing field": (with_layers(layer("layers.Dense")), r"layers\[0\]: .*units"),
    "units that are terabytes": (dense(units=10**12), r"'params/dense/w' has shape \(1, 4\)"),
    "units that are beyond any memory": (dense(units=10**400), "params/dense/w|too large|at most"),
    "a unit too many": (dense(units=5), r"the layers have \(1, 5\)"),
    "units that are a string": (dense(units="4"), "units is '4'"),
    "units that are a fraction": (dense(units=4.0), "units is 4.0"),
    "units that are none": (dense(units=0), "units is 0"),
    "a flag that is a string": (dense(trainable="no"), r"layers\[1\].trainable: true or false"),
    "an activation that is a loss": (dense(activation=layer("losses.SumSquaredError")), r"layers\[1\]: .*activation"),
    "an initializer that is a list": (dense(w_init=[1, 2]), r"layers\[1\]: .*w_init"),
    "a huge input": (setting("model", input_shape=[1, 10**6, 10**6]), "the layers have"),
    "an input of two sizes": (setting("model", input_shape=[1, 1]), "input_shape is"),
    "an input that is true": (setting("model", input_shape=[True]), "input_shape is True"),
    "an input that is a number": (setting("model", input_shape=3), "input_shape is 3"),
    "an unknown dtype": (setting("model", dtype="object"), "dtype is 'object'"),
    "a dtype that is a list": (setting("model", dtype=["float32"]), "dtype is"),
    "another dtype": (setting("model", dtype="float64"), "dtype float32, the layers have .* float64"),
    "a seed below 0": (setting("model", seed=-1), "seed is -1"),
    "a seed that is a string": (setting("model", seed="0"), "seed is '0'"),
    "one key more": (setting("model", more=1), "other keys than layers"),
    "an optimizer that is a layer": (setting("compile", optimizer=layer("layers.ReLU")), "optimizer is none"),
    "a rate below 0": (setting("compile", optimizer=layer("optimizers.SGD", lr=-1.0)), "lr is -1"),
    "another optimizer": (setting("compile", optimizer=layer("optimizers.Adam")), "no array 'slots/1/dense/w'"),
    "an unknown loss": (setting("compile", loss="mine"), "loss is 'mine'"),
    "a loss that is a list": (setting("compile", loss=[1]), "loss is|cannot use"),
    "a metric that is a loss": (setting("compile", metrics=[layer("losses.SumSquaredError")]), "metrics|a metric"),
    "metrics that are a number": (setting("compile", metrics=3), "metrics|iterable"),
    "a step below 0": (setting("progress", step=-1), "step is -1"),
    "a step beyond all": (setting("progress", step=10**30), "step is 10"),
    "a step that is a fraction": (setting("progress", step=1.5), "step is 1.5"),
    "no compile": (lambda arrays, d: d.pop("compile") and None, "no 'compile'"),
    "a description that is a list": (lambda arrays, d: [d], "its description is no object"),
    "an array too few": (lambda arrays, d: arrays.pop("params/dense/w") is None or None, "no array 'params/dense/w'"),
    "an array too many": (lambda arrays, d: arrays.update(more=np.zeros(2)), "'more' belongs to no layer"),
    "a slot too many": (
        lambda arrays, d: arrays.update({"slots/1/dense/w": np.zeros((1, 4), np.float32)}),
        "'slots/1/dense/w' belongs to no layer",
    ),
    "an array of another dtype": (
        lambda arrays, d: arrays.update({"params/dense/b": np.zeros(4, np.int32)}),
        "'params/dense/b' has shape .* dtype int32",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_file_is_refused(path, name):
    change, message = CHANGES[name]
    refused(forge(path, change), message)


def seed(text):
    return lambda whole: whole.replace('"seed":0', f'"seed":{text}')


TEXTS = {
    "NaN": (seed("NaN"), "NaN is no number"),
    "infinity": (seed("1e999"), "damaged|Out of range"),
    "a long number": (seed("9" * 9999), "no JSON"),
    "a name twice": (seed('0,"seed":1'), "'seed' comes twice"),
    "another seed": (seed("1"), "its description is damaged"),
    "no JSON": (lambda whole: "{'a': 1}", "is no JSON"),
    "a number": (lambda whole: "1", "no format"),
    "deep": (lambda whole: "[" * 100_000, "too deeply"),
    "nearly too deep": (seed("[" * 900 + "]" * 900), "too deeply|is damaged"),
    "a later format": (lambda whole: whole.replace('"format":1', '"format":2'), "has format 2, this version reads 1"),
    "no format": (lambda whole: whole.replace('"format"', '"formal"'), "no format"),
    "no checksum": (lambda whole: whole.replace('"crc32"', '"crc33"'), "its description is damaged"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_changed_text_is_refused(path, name):
    change, message = TEXTS[name]
    refused(forge_text(path, change), message)


def test_a_changed_weight_is_refused(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    refused(path, "array '.*' is damaged")


def test_an_unchanged_file_is_not(path):
    assert len(fn.load(forge(path, lambda arrays, d: None)).layers) == 3


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
HEADERS = {
    "empty": (b"", {"length": 0}, "no safetensors file, or cut off"),
    "no metadata": ({"a": ENTRY}, {"data": bytes(8)}, "no 'fastnn' in its metadata"),
    "metadata of somebody else": ({"__metadata__": {"format": "pt"}}, {}, "no 'fastnn' in its metadata"),
    "metadata that is a list": ({"__metadata__": []}, {}, "no whole safetensors file"),
    "a length beyond the file": (b"{}", {"length": 2**40}, "cut off"),
    "a length beyond all": (b"{}", {"length": 2**64 - 1}, "cut off"),
    "no JSON": (b"pickle", {}, "no whole safetensors file"),
    "not UTF-8": (b"\xff\xfe{}", {}, "no whole safetensors file"),
    "deep JSON": (b"[" * 100_000, {}, "no whole safetensors file"),
    "a shape of terabytes": ({"a": {**ENTRY, "shape": [2**40]}}, {"data": bytes(8)}, "no whole safetensors file"),
    "a shape that overflows": ({"a": {**ENTRY, "shape": [2**62, 8]}}, {"data": bytes(8)}, "no whole safetensors file"),
    "a shape below 0": ({"a": {**ENTRY, "shape": [-2]}}, {"data": bytes(8)}, "no whole safetensors file"),
    "a place behind the end": ({"a": {**ENTRY, "data_offsets": [8, 16]}}, {"data": bytes(8)}, "no whole"),
    "a place turned around": ({"a": {**ENTRY, "data_offsets": [8, 0]}}, {"data": bytes(8)}, "no whole"),
    "data missing": ({"a": ENTRY}, {"data": bytes(7)}, "no whole"),
    "data behind": ({"a": ENTRY}, {"data": bytes(9)}, "no whole"),
    "two in one place": ({"a": ENTRY, "b": ENTRY}, {"data": bytes(8)}, "no whole"),
    "an unknown dtype": ({"a": {**ENTRY, "dtype": "O"}}, {"data": bytes(8)}, "no whole"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_forged_header_is_refused(tmp_path, name):
    header, options, message = HEADERS[name]
    refused(write_header(tmp_path / "model", header, **options), message)


def test_a_header_that_is_too_large_is_not_parsed(tmp_path):
    size = container.MAX_HEADER + 1
    path = write_header(tmp_path / "model", b"[" * size)
    refused(path, f"its header has {size} bytes")


@pytest.mark.skipif(sys.platform == "win32", reason="needs sparse files")
def test_terabytes_of_data_that_no_layer_needs_are_not_read(path):
    forge(path, lambda arrays, d: [arrays.pop(name) for name in list(arrays) if name != "params/dense/w"] and None)
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
    entry = {"dtype": "F32", "shape": [2**38], "data_offsets": [0, 2**40]}
    write_header(path, {"__metadata__": metadata, "params/dense/w": entry})
    os.truncate(path, path.stat().st_size + 2**40)
    refused(path, "'params/dense/w' has shape")


def test_a_file_cut_off_anywhere_is_refused(path):
    whole = path.read_bytes()
    for length in [*range(0, 64), *range(64, len(whole), 37), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut off|no whole"):
            fn.load(path)


def test_a_file_cut_off_while_it_is_read_is_an_error(path):
    """Not the end of the process, as it is where a file is mapped into memory."""
    with pytest.raises(ValueError, match="no whole safetensors file"), container.opened(path) as file:
        os.truncate(path, 0)
        file.read("params/dense/w")


def test_what_is_no_file(tmp_path):
    refused(tmp_path, "it is no file")
    with pytest.raises(OSError, match="missing"):
        fn.load(tmp_path / "missing")
    with pytest.raises(TypeError, match="path is None"):
        fn.load(None)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        refused(tmp_path / "pipe", "it is no file")
    with pytest.raises(TypeError, match="load: compile"):
        fn.load(tiny(tmp_path / "model"), compile="no")
