"""Profiles as one HTML page that needs no network: pictures, and all numbers as tables."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from ..report import document, sections
from . import drawings, table
from .drawings import Bar, LogAxis, Point

if TYPE_CHECKING:
    from .kernel_results import KernelProfile, KernelTime

# Kernels that hardly calculate are drawn as if they did one operation for each float32 that they move.
NOMINAL_INTENSITY = 0.25
KINDS = {
    "conv2d": ("point-0", "convolution"),
    "conv2d_backward_input": ("point-1", "gradient of the images"),
    "conv2d_backward_weight": ("point-2", "gradient of the weights"),
}
OTHERS = ("point-3", "others")


def of_kernels(profile: KernelProfile) -> str:
    """Write the page of `KernelProfile.to_html`."""
    threads = "1 thread" if profile.threads == 1 else f"{profile.threads} threads"
    parts = []
    if profile.interrupted:
        parts.append(f"<p>Interrupted: {'this is what was' if profile.rows else 'nothing was'} done.</p>")
    if profile.rows:
        tiles = {
            "kernels and shapes": f"{len(profile.rows)}",
            f"GFLOP/s at best, {threads}": f"{profile.peaks['gflops']:.0f}",
            f"GB/s of memory at best, {threads}": f"{profile.peaks['gbytes']:.1f}",
        }
        parts += [sections.tiles(tiles), _roofline(profile, threads), _bars(profile, threads)]
        parts.append(_numbers(profile, threads))
    parts.append(sections.facts("Versions and machine", profile.machine))
    return document.page("Profile of kernels", parts)


def _roofline(profile: KernelProfile, threads: str) -> str:
    points = []
    for row in profile.rows:
        intensity, gflops = NOMINAL_INTENSITY, NOMINAL_INTENSITY * row.gbytes
        if row.gflops is not None:
            intensity, gflops = row.flops / row.bytes, row.gflops
        points.append(Point(KINDS.get(row.kernel, OTHERS)[0], intensity, gflops, _tip(row)))
    used = {KINDS.get(row.kernel, OTHERS): None for row in profile.rows}
    keys = " ".join(f'<span class="key {kind}">{escape(words)}</span>' for kind, words in used)
    drawing = drawings.roofline(points, profile.peaks["gflops"], profile.peaks["gbytes"])
    text = (
        f"<p>Each point is a kernel on a shape, on {threads}; its name is under the pointer. The line is what the "
        "machine was measured to do at best: on the left as fast as memory delivers, on the right as fast as registers "
        "multiply and add. Points above the line have their data in the caches. Kernels that hardly calculate, as "
        "pools and updates, are drawn as if they did one operation for each float32 that they move.</p>"
    )
    figure = (
        f'<div class="figures"><figure><figcaption>Roofline {keys}</figcaption><div class="wide">{drawing}</div>'
        "</figure></div>"
    )
    return sections.section("How close to the machine's limits", text + figure)


def _tip(row: KernelTime) -> str:
    done = f"{table.digits(row.gbytes)} GB/s, {table.share_text(row.share_of_bandwidth)} of memory's"
    if row.gflops is not None and row.share_of_peak is not None:
        done = f"{table.digits(row.gflops)} GFLOP/s, {table.share_text(row.share_of_peak)} of the peak; {done}"
    return f"{row.kernel} {row.shape}: {table.time_text(row.all)}; {done}"


def _bars(profile: KernelProfile, threads: str) -> str:
    series = [bars_of(row, threads) for row in profile.rows]
    axis = drawings.bars_axis([bar.seconds for bars in series for bar in bars])
    groups: dict[str, list[str]] = {}
    for row, bars in zip(profile.rows, series, strict=True):
        groups.setdefault(row.kernel, []).append(_figure(row, bars, axis))
    text = (
        "<p>Time of a call, on one logarithmic axis for all; behind it how many times as fast the compiled kernel "
        "is, on one thread (PyTorch: on all). Loops in Python were timed on a small part of the work and "
        "extrapolated.</p>"
    )
    folded = [
        f"<details{' open' if k == 0 else ''}><summary><code>{escape(kernel)}</code>, {len(figures)} "
        f'shape{"" if len(figures) == 1 else "s"}</summary><div class="figures">{"".join(figures)}</div></details>'
        for k, (kernel, figures) in enumerate(groups.items())
    ]
    return sections.section("Naive beside compiled", text + "".join(folded))


def _figure(row: KernelTime, bars: list[Bar], axis: LogAxis) -> str:
    drawing = drawings.bars(f"{row.kernel} {row.shape}", bars, axis)
    return f"<figure><figcaption>{escape(row.shape)}</figcaption>{drawing}</figure>"


def bars_of(row: KernelTime, threads: str) -> list[Bar]:
    """Make a bar of each time that was measured; `threads` is what all threads are called."""
    names = {"loops": "Python loops", "numpy": "NumPy", "im2col": "im2col+BLAS", "one": "1 thread"}
    names |= {"all": threads} if threads != names["one"] else {}
    names["torch"] = "PyTorch"
    bars = []
    for key, name in names.items():
        seconds: float | None = getattr(row, key)
        if seconds is None:
            continue
        ratio = row.speed_up.get(key)
        told = table.time_text(seconds)
        faster = "" if ratio is None else f"{table.digits(ratio, 2)}x"
        tip = f"{row.kernel} {row.shape}, {name}: {told}, quartiles {table.share_text(row.spread[key])} apart"
        bars.append(Bar(f"bar-{key}", name, seconds, faster, tip))
    return bars


def _numbers(profile: KernelProfile, threads: str) -> str:
    head = ["kernel", "shape", "loops", "NumPy", "im2col+BLAS", "1 thread", threads, "PyTorch", "spread"]
    head += ["GFLOP/s", "of peak", "GB/s", "of memory"]
    rows = []
    for row in profile.rows:
        times = [table.time_text(t) for t in (row.loops, row.numpy, row.im2col, row.one, row.all, row.torch)]
        work = ["", ""]
        if row.gflops is not None and row.share_of_peak is not None:
            work = [table.digits(row.gflops, 2), table.share_text(row.share_of_peak)]
        memory = [table.digits(row.gbytes, 2), table.share_text(row.share_of_bandwidth)]
        rows.append([row.kernel, row.shape, *times, table.share_text(row.spread["all"]), *work, *memory])
    numbers = sections.table(head, rows, numeric=True)
    return sections.section("All numbers", f"<details><summary>As a table</summary>{numbers}</details>")
