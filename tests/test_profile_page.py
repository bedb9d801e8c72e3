"""Profiles as HTML: one page that holds all it shows; its labels do not collide, in a browser where there is one."""

import math

import numpy as np
import pytest
from html_pages import BROWSER, Page, collisions, needs_nothing_else, shot

from fastnn.cli import main
from fastnn.profile import KernelProfile, KernelTime, drawings
from fastnn.profile.model_page import Part, of_step

SHAPES = {
    "conv2d": ("LeNet-5 conv1 (128x1x28x28, 5x5, 6)", 22_118_400, 2_171_480),
    "conv2d_backward_weight": ("separable depthwise 2 (64x64x32x32, depthwise 3x3/2, 64)", 18_874_368, 20_974_000),
    "adam_update": ("layer (100,000)", 0, 2_800_000),
    "softmax_cross_entropy": ("(32x10)", 0, 2_816),
}
MACHINE = {"fastnn": "0.1.0", "numpy": "2.0 <b>", "numba": "0.68", "cpu": "znver4", "isa": "avx512"}


def kernel_time(kernel, loops, numpy, im2col, one, all, torch):
    shape, flops, moved = SHAPES[kernel]
    gflops = flops / all / 1e9 if flops else None
    times = {"loops": loops, "numpy": numpy, "im2col": im2col, "one": one, "all": all, "torch": torch}
    return KernelTime(
        kernel=kernel, shape=shape, flops=flops, bytes=moved, loops_share=None if loops is None else 0.01,
        spread={name: 0.05 for name, time in times.items() if time is not None}, gflops=gflops,
        gbytes=moved / all / 1e9, share_of_peak=None if gflops is None else gflops / 439,
        share_of_bandwidth=moved / all / 26.3e9, **times,
    )  # fmt: skip


def profile_of(*rows, threads=2):
    return KernelProfile(rows, threads, {"gflops": 439.4, "gbytes": 26.3}, MACHINE, blas_on_one_thread=True)


FULL = profile_of(
    kernel_time("conv2d", 3720.0, 1.2e-2, 1.6e-3, 4.56e-4, 2.58e-4, 4.88e-4),
    kernel_time("conv2d_backward_weight", None, 2.75e-2, None, 2.3e-3, 1.17e-3, None),
    kernel_time("adam_update", 0.113, 3.5e-4, None, 6.38e-5, 4.57e-5, 3.46e-5),
    kernel_time("softmax_cross_entropy", None, 5.6e-5, None, 1.63e-5, 1.44e-5, 2.66e-5),
)


@pytest.fixture(params=["kernels", "step"])
def file(tmp_path, request):
    path = tmp_path / f"{request.param}.html"
    path.write_text(FULL.to_html() if request.param == "kernels" else page_of_step(), encoding="utf-8")
    return path


def test_the_page_needs_nothing_else(file):
    needs_nothing_else(file.read_text(encoding="utf-8"))


def test_every_kernel_is_a_point_with_its_name_under_the_pointer():
    page = Page(FULL.to_html())
    assert [a["class"] for a in page.of("circle")] == ["point-0", "point-2", "point-3", "point-3"]
    tips = [text for text in page.texts if "GB/s," in text]
    assert tips[0] == "conv2d LeNet-5 conv1 (128x1x28x28, 5x5, 6): 258us; 85.7 GFLOP/s, 20% of the peak; " + (
        "8.42 GB/s, 32% of memory's"
    )
    assert tips[2].startswith("adam_update layer (100,000): 45.7us; 61.3 GB/s, 233%")
    assert [a["class"].split()[1] for a in page.of("span") if a["class"].startswith("key")] == [
        "point-0",
        "point-2",
        "point-3",
    ]


def test_points_stand_at_operations_a_byte():
    conv, _, adam, loss = (float(a["cx"]) for a in Page(FULL.to_html()).of("circle"))
    axis = drawings.LogAxis(-1, 2, drawings.LEFT, drawings.ROOF_SIZE[0] - drawings.RIGHT)
    assert conv == pytest.approx(axis(22_118_400 / 2_171_480), abs=0.1)
    assert adam == loss == pytest.approx(axis(0.25), abs=0.1)


def test_points_stand_where_their_numbers_say():
    text = drawings.roofline(
        [drawings.Point("point-0", 10.0, 100.0, "a"), drawings.Point("point-1", 1.0, 10.0, "b")], 100.0, 10.0
    )
    high, low = Page(text).of("circle")
    (roof,) = Page(text).of("polyline")
    corners = [tuple(map(float, pair.split(","))) for pair in roof["points"].split()]
    # The ridge is at 10 operations a byte and 100 GFLOP/s, and memory gives 10 GFLOP/s at one.
    assert corners[0] == (float(low["cx"]), float(low["cy"]))
    assert corners[1] == (float(high["cx"]), float(high["cy"]))
    assert corners[2][1] == corners[1][1]


def test_bars_are_as_long_as_the_logarithm_of_their_times():
    axis = drawings.bars_axis([1e-6, 1.0])
    rows = [drawings.Bar("bar-one", str(k), 10.0**k, "", "") for k in range(-6, 1)]
    lengths = [float(a["width"]) for a in Page(drawings.bars("x", rows, axis)).of("rect")]
    assert lengths[0] == 0 and np.ptp(np.diff(lengths)) < 0.2 and lengths[-1] == axis.stop - axis.start


@pytest.mark.parametrize("values", [[1.0], [3e-6, 155.0], [1e-3, 1e-3], [0.999, 1.001], [1e-9, 1e9]])
def test_axes_enclose_their_values_with_few_ticks(values):
    axis = drawings.LogAxis.around(values, 0.0, 100.0)
    assert all(-1e-6 <= axis(value) <= 100 + 1e-6 for value in values)
    assert 2 <= len(axis.ticks) <= 8
    assert all(math.log10(tick) == round(math.log10(tick)) for tick in axis.ticks)


def test_bars_and_numbers_of_all_that_was_timed():
    page = Page(FULL.to_html())
    kinds = [a["class"] for a in page.of("rect")]
    assert kinds[:6] == ["bar-loops", "bar-numpy", "bar-im2col", "bar-one", "bar-all", "bar-torch"]
    assert kinds[6:9] == ["bar-numpy", "bar-one", "bar-all"]
    assert {"3,720s", "8,157,895x", "258us", "1.9x", "2 threads", "PyTorch"} <= set(page.texts)
    assert len(page.of("tr")) == 1 + len(FULL.rows) + len(MACHINE)
    assert "2.0 <b>" in page.texts and page.of("b") == []
    assert [a["aria-label"].split(":")[0] for a in page.of("svg", role="img")][:2] == [
        "roofline of 4 kernels; memory",
        "conv2d LeNet-5 conv1 (128x1x28x28, 5x5, 6)",
    ]


def test_one_thread_and_nothing_at_all():
    row = kernel_time("conv2d", None, 1.2e-2, None, 4.56e-4, 4.56e-4, None)
    page = Page(profile_of(row, threads=1).to_html())
    assert [a["class"] for a in page.of("rect")] == ["bar-numpy", "bar-one"]
    nothing = KernelProfile((), 2, {"gflops": math.nan, "gbytes": math.nan}, MACHINE, True, interrupted=True)
    text = nothing.to_html()
    assert "Interrupted" in text and Page(text).of("svg") == [] and "nan" not in text


def test_the_command_writes_the_page(tmp_path, capsys):
    path = tmp_path / "k.html"
    options = ["--shape", "(756)", "--threads", "1", "--no-torch", "--no-loops", "--html", str(path)]
    assert main(["profile", "kernels", "adam_update", *options]) == 0
    assert "adam_update" in capsys.readouterr().out
    assert len(Page(path.read_text(encoding="utf-8")).of("circle")) == 1


LAYERS = {"conv2d": 210e-6, "max_pool2d": 31e-6, "residual/batch_norm_1": 0.0, "dense": 62e-6, "<i>": 1.5e-6}
STEP = [
    *(Part("forward", name, seconds, "78 GFLOP/s") for name, seconds in LAYERS.items()),
    *(Part("update", name, seconds / 9) for name, seconds in LAYERS.items()),
    *(Part("backward", name, 2 * seconds) for name, seconds in LAYERS.items()),
    Part("rest", "packing", 40e-6),
]


def page_of_step():
    rows = [[name, f"{1e6 * seconds:.1f}"] for name, seconds in LAYERS.items()]
    return of_step("lenet5 <1>", {"images/s": "115,754"}, STEP, ["layer", "forward, us"], rows, MACHINE)


def test_a_step_is_cut_into_phases_and_these_into_layers():
    text = page_of_step()
    needs_nothing_else(text)
    page = Page(text)
    bars = page.of("rect")
    assert [a["class"] for a in bars[:5]] == [f"flame-{k}" for k in ("whole", "forward", "backward", "update", "rest")]
    assert len(bars) == 5 + 3 * (len(LAYERS) - 1) + 1  # a layer without time is left out
    left, width = (np.array([float(a[name]) for a in bars]) for name in ("x", "width"))
    for level in (slice(1, 5), slice(5, None)):
        # One beside the other, over the whole width; a pixel between them, if they have more than one.
        np.testing.assert_allclose(left[level][1:], (left[level] + width[level])[:-1] + 1, atol=1.4)
        assert left[level][0] == 0 and (left[level] + width[level])[-1] == pytest.approx(959, abs=0.2)
    whole = sum(part.seconds for part in STEP)
    assert width[1] == pytest.approx(960 * sum(LAYERS.values()) / whole - 1, abs=0.1)
    told = f"conv2d, forward: 210us, {210e-6 / whole:.1%} of the step; 78 GFLOP/s"
    assert told in page.texts and "<i>" in page.texts and page.of("i") == []
    assert {"lenet5 <1>", "115,754", "62.0"} <= set(page.texts)
    assert "packing" not in page.texts  # too narrow for its name
    assert any(words.startswith("packing, rest: 40.0us") for words in page.texts)


def test_a_step_without_any_time_has_no_picture():
    text = of_step("x", {}, [Part("forward", "flatten", 0.0)], ["layer"], [], {})
    assert Page(text).of("svg") == []


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_browser_shows_it_in_light_and_dark(file, tmp_path, scheme):
    pixels, background = shot(file, scheme, tmp_path)
    drawn = np.abs(pixels - background).max(axis=2) > 60
    assert drawn[: len(drawn) // 2].mean() > 0.01
    assert not drawn[:, -6:].any()  # nothing runs out at the side of a narrow screen


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [420, 1300])
def test_no_label_lies_on_another(file, tmp_path, width):
    assert collisions(file, tmp_path, width) == "[]"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("</text>", "</text><text>other</text>", 2), encoding="utf-8")
    assert "other" in collisions(file, tmp_path, width)
