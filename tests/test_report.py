"""The training report: one page that holds all it shows, also with hostile names; in a browser where there is one."""

import base64
import errno
import os
import re
import zlib

import numpy as np
import pytest
from html_pages import BROWSER, Page, needs_nothing_else, shot
from model_helpers import small_data, small_model

import fastnn as fn
from fastnn.history import History
from fastnn.report import curves, layer_times, pictures, sections

NAMES = ["c" * 90, '<script>alert("x")</script>', "a&b", 'it\'s "quoted"', "${title} 100%"]
@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(layer_times, "SECONDS", 0.0)


@pytest.fixture(scope="module")
def trained():
    x, y = small_data(60)
    model = small_model("reference")
    model.fit(x, y, epochs=3, validation_split=0.2, verbose=0)
    return model, x, y


@pytest.fixture(scope="module")
def report(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    model, x, y = trained
    config = {"data": "<b>mine</b>", "lr": 0.01, "resume": None}
    fn.report.write(path, model, x, y, classes=NAMES, config=config, title="Report of </title><i>x</i>")
    return path


def test_the_page_needs_nothing_else(report):
    text = report.read_text(encoding="utf-8")
    needs_nothing_else(text)
    assert 'src="data:' in text


def test_the_page_has_all_parts_and_every_picture_has_words(report, trained):
    model, x, y = trained
    page = Page(report.read_text(encoding="utf-8"))
    texts = " ".join(page.texts)
    for title in (
        "Learning curves",
        "Confusion matrix",
        "Worst mistakes",
        "First-layer filters",
        "Layers",
        "Configuration",
        "Versions",
    ):
        assert title in texts
    assert [d["aria-label"].split()[0] for d in page.of("svg", role="img")] == ["loss", "accuracy"]
    assert len(page.of("polyline")) == 4
    wrong = int((model.predict_classes(x) != y).sum())
    assert f"{wrong} test images were classified wrongly" in texts
    images = page.of("img")
    assert len(images) == min(wrong, 24) + 3 * 2
    assert all(image["alt"] for image in images)
    assert {"conv2d", "max_pool2d", "flatten", "dense", "dense_1"} <= set(page.texts)
    assert np.__version__ in page.texts
    test = model.evaluate(x, y)
    assert f"{test['accuracy']:.4f}" in page.texts and f"{test['loss']:.4f}" in page.texts


def test_hostile_names_are_text(report):
    page = Page(report.read_text(encoding="utf-8"))
    for name in NAMES:
        assert name in page.texts
    assert "<b>mine</b>" in page.texts
    assert "Report of </title><i>x</i>" in page.texts
    assert page.of("script") == [] and page.of("i") == []


def test_confusion_counts_the_images(trained, report):
    model, x, y = trained
    page = Page(report.read_text(encoding="utf-8"))
    matrix = fn.metrics.confusion_matrix(y, model.predict_classes(x), classes=5)
    cells = [a for a in page.of("td") if a.get("class", "").split(" ")[0] in ("right", "wrong")]
    assert len(cells) == 25
    heat = np.array([float(a["style"].partition(":")[2]) for a in cells]).reshape(5, 5)
    np.testing.assert_array_equal(heat > 0, matrix > 0)
    np.testing.assert_allclose(np.diag(heat), np.diag(matrix) / matrix.sum(axis=1), atol=1e-3)


def test_many_classes_are_listed(tmp_path):
    matrix = np.eye(40, dtype=np.int64) * 3
    matrix[7, 8] = 2
    text = sections.confusion(matrix, [f"class {k}" for k in range(40)])
    assert "matrix" not in re.findall(r'class="(\w+)"', text)
    assert Page(text).texts[-3:] == ["class 7", "class 8", "2"]


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3)])
def test_png_files_hold_the_pixels(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    data = base64.b64decode(pictures.data_address(pixels).removeprefix("data:image/png;base64,"))
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    start = data.index(b"IDAT")
    raw = zlib.decompress(data[start + 4 : start + 4 + int.from_bytes(data[start - 4 : start], "big")])
    rows = np.frombuffer(raw, np.uint8).reshape(6, -1)
    np.testing.assert_array_equal(rows[:, 1:].reshape(shape), pixels)
    image = pytest.importorskip("PIL.Image")
    import io

    with image.open(io.BytesIO(data)) as opened:
        np.testing.assert_array_equal(np.asarray(opened), pixels)


def test_pixels_of_images_and_weights():
    units = np.array([0.0, 0.5, 1.0, 0.25]).reshape(1, 1, 2, 2)
    assert pictures.of_images(units)[0].tolist() == [[0, 128], [255, 64]]
    assert pictures.of_images(units * 8 - 4)[0].tolist() == [[0, 128], [255, 64]]
    assert pictures.of_images(np.full((2, 3, 4, 5), 7, np.uint8))[1].shape == (4, 5, 3)
    weights = np.array([[-2.0, 0.0], [1.0, 2.0]]).reshape(1, 1, 2, 2)
    assert pictures.of_weights(weights)[0].tolist() == [[0, 128], [191, 255]]
    assert len(pictures.of_weights(np.ones((4, 2, 3, 3)))) == 8
    assert len(pictures.of_weights(np.zeros((4, 3, 3, 3)))) == 4


def test_curves_are_broken_where_values_are_not_finite():
    text = curves.draw("loss", [1, 2, 3, 4, 5], {"training": [3.0, 2.0, float("nan"), 1.0, float("inf")]})
    page = Page(text)
    assert len(page.of("polyline")) == 1 and len(page.of("circle")) == 1
    assert "nan" not in page.of("polyline")[0]["points"]
    assert "no finite values" in curves.draw("loss", [1], {"training": [float("nan")]})
    for values in ([1.0], [0.0], [1e-30], [1e30], [-5.0]):
        assert "circle" in curves.draw("x", [7], {"x": values})


def test_ticks_are_round_and_enclose_the_values():
    assert curves._ticks(0.12, 0.48) == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    for low, high in ((0, 1), (0.9, 0.9), (-3, 11), (1e-9, 3e-9), (0, 0)):
        ticks = curves._ticks(low, high)
        assert ticks[0] <= low and high <= ticks[-1] and 2 <= len(ticks) <= 8


def test_layer_times_add_up_to_the_forward_pass(trained, monkeypatch):
    model, x, _ = trained
    clock = iter(range(10_000))
    monkeypatch.setattr(layer_times, "_seconds", lambda part, x: float(len(part.layers) ** 2))
    monkeypatch.setattr(layer_times.time, "perf_counter", lambda: float(next(clock)))
    assert layer_times.measure(model, x) == {"conv2d": 1, "max_pool2d": 3, "flatten": 5, "dense": 7, "dense_1": 9}


def test_other_models(tmp_path):
    x = np.random.default_rng(0).standard_normal((20, 4))
    layers = [fn.Dense(3, activation="tanh"), fn.Dense(2)]
    model = fn.Sequential(layers, input_shape=(4,), dtype=np.float64)
    model.backend = "reference"
    model.compile("sgd", "sum_squared_error")
    path = tmp_path / "a.html"
    fn.report.write(path, model, x, x[:, :2])
    text = path.read_text(encoding="utf-8")
    Page(text)
    assert "Confusion" not in text and "Learning curves" not in text and "Layers" in text
    history = History()
    history.add(1, {"loss": 1.0})
    fn.report.write(path, model, x, x[:, :2], history=history)
    assert "Learning curves" in path.read_text(encoding="utf-8")


def test_weights_of_a_dense_layer_on_images_are_shown(tmp_path):
    x, y = small_data()
    model = small_model("reference", layers=[fn.Flatten(), fn.Dense(5)])
    fn.report.write(tmp_path / "a.html", model, x, y)
    assert len(Page((tmp_path / "a.html").read_text(encoding="utf-8")).of("img", alt="filter 10")) == 1


def test_what_goes_wrong_leaves_the_old_page(trained, report, tmp_path, monkeypatch):
    model, x, y = trained
    before = report.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="2 names of classes for 5 outputs"):
        fn.report.write(report, model, x, y, classes=["a", "b"])
    with pytest.raises(FileNotFoundError):
        fn.report.write(tmp_path / "no" / "a.html", model, x, y)

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=report.name):
        fn.report.write(report, model, x, y)
    assert report.read_text(encoding="utf-8") == before
    assert list(report.parent.iterdir()) == [report]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_browser_shows_it_in_light_and_dark(report, tmp_path, scheme):
    pixels, background = shot(report, scheme, tmp_path)
    drawn = np.abs(pixels - background).max(axis=2) > 60
    assert drawn[: len(drawn) // 2].mean() > 0.01  # text and curves, and not in one place
    assert not drawn[:, -6:].any()  # nothing runs out at the side of a narrow screen
