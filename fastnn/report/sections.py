"""The sections of the page, as HTML; whatever came from outside is escaped here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ..history import History
from ..initializers import Array
from . import curves, pictures

WIDEST_MATRIX = 30  # classes; of more the most frequent mistakes are listed
COLUMNS_LEFT_OUT = ("images_per_second",)


def tiles(facts: Mapping[str, str]) -> str:
    """Show the main results, large."""
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    return f'<dl class="tiles">{items}</dl>'


def learning_curves(history: History, test: Mapping[str, float]) -> str:
    """Show each thing measured over the epochs, and all of them as a table."""
    names = [name for name in history.history if name not in COLUMNS_LEFT_OUT]
    base = [name for name in names if not (name.startswith("val_") and name[4:] in names)]
    figures = []
    for name in base:
        found = {"training": history[name]}
        if f"val_{name}" in names:
            found["validation"] = history[f"val_{name}"]
        level = test.get(name)
        keys = [f'<span class="key line-{k}">{label}</span>' for k, label in enumerate(found)]
        if level is not None:
            keys.append(f'<span class="key level">test {level:.4g}</span>')
        drawing = curves.draw(name, history.epochs, found, level)
        if len(keys) == 1:  # the learning rate
            keys = []
        title = escape(name.replace("_", " "))
        figures.append(f"<figure><figcaption>{title} {' '.join(keys)}</figcaption>{drawing}</figure>")
    rows = [
        [str(epoch), *(f"{history[name][k]:.5g}" for name in history.history)] for k, epoch in enumerate(history.epochs)
    ]
    numbers = table(["epoch", *(name.replace("_", " ") for name in history.history)], rows, numeric=True)
    return section(
        "Learning curves",
        f'<div class="figures">{"".join(figures)}</div><details><summary>All numbers</summary>{numbers}</details>',
    )


def confusion(matrix: Array, names: Sequence[str]) -> str:
    """Show how often each class was taken for each, and the share found of each class."""
    mistakes = [
        (int(matrix[i, j]), i, j) for i in range(len(names)) for j in range(len(names)) if i != j and matrix[i, j]
    ]
    mistakes.sort(key=lambda entry: (-entry[0], entry[1], entry[2]))
    listed = [[names[i], names[j], f"{n:,}"] for n, i, j in mistakes[:10]]
    most = table(["class", "taken for", "images"], listed, caption="Most frequent mistakes")
    if len(names) > WIDEST_MATRIX:
        return section("Confusion", f"<p>{len(names)} classes: too many for a matrix.</p>{most}")
    head = "".join(f'<th scope="col"><span>{escape(name)}</span></th>' for name in names)
    rows = []
    for i, name in enumerate(names):
        total = int(matrix[i].sum())
        cells = [_cell(int(matrix[i, j]), total, right=i == j) for j in range(len(names))]
        found = f"{matrix[i, i] / total:.1%}" if total else "-"
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{"".join(cells)}<td class="found">{found}</td></tr>')
    text = "<p>Rows: the class; columns: what the model took it for; last column: share found.</p>"
    upright = " upright" if max(map(len, names)) <= 3 else ""
    matrix_table = (
        f'<div class="wide"><table class="matrix{upright}" aria-label="confusion matrix"><thead><tr><td></td>{head}'
        f'<th scope="col"><span>found</span></th></tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )
    return section("Confusion matrix of the test set", f'{text}<div class="beside">{matrix_table}{most}</div>')


def _cell(count: int, total: int, *, right: bool) -> str:
    share = count / total if total else 0.0
    # Mistakes are few where a model is good: the root makes them visible.
    heat = share if right else math.sqrt(share)
    strong = " strong" if heat > 0.55 else ""
    kind = "right" if right else "wrong"
    return f'<td class="{kind}{strong}" style="--heat:{heat:.3f}">{count or ""}</td>'


def mistakes(images: Array, truth: Sequence[str], taken: Sequence[str], chances: Sequence[float], found: int) -> str:
    """Show the wrongly classified test images of which the model was surest."""
    if not found:
        return section("Worst mistakes", "<p>None: every test image was classified rightly.</p>")
    figures = [
        f'<figure><img src="{pictures.data_address(pixels)}" alt="test image of class {escape(was, quote=True)}">'
        f"<figcaption><b>{escape(was)}</b> taken for <b>{escape(became)}</b> <small>{chance:.1%}</small></figcaption>"
        "</figure>"
        for pixels, was, became, chance in zip(pictures.of_images(images), truth, taken, chances, strict=True)
    ]
    text = f"<p>{found:,} test images were classified wrongly; these are the ones of which the model was surest.</p>"
    return section("Worst mistakes", f'{text}<div class="gallery">{"".join(figures)}</div>')


def filters(name: str, weights: Array, shown: int, total: int) -> str:
    """Show the weights of the first layer."""
    images = "".join(
        f'<img src="{pictures.data_address(pixels)}" alt="filter {k + 1}">'
        for k, pixels in enumerate(pictures.of_weights(weights))
    )
    more = f", {shown} of {total} units" if shown < total else ""
    text = (
        f"<p>Weights of <code>{escape(name)}</code>{more}: mid-grey is 0; each picture is scaled to its largest "
        "weight.</p>"
    )
    return section("First-layer filters", f'{text}<div class="filters">{images}</div>')


def layers(rows: Sequence[tuple[str, str, int]], seconds: Mapping[str, float], batch: int, total: int) -> str:
    """Show each layer with its output, its parameters and its time; those inside others have no time of their own."""
    longest = max(seconds.values(), default=0.0)
    body = []
    for name, shape, size in rows:
        ms, bar = "", ""
        if name in seconds:
            took = max(seconds[name], 0.0)
            ms = f"{took * 1e3:.3f}"
            bar = f'<span style="width:{100 * took / (longest or 1.0):.1f}%"></span>'
        body.append(
            f'<tr><th scope="row"><code>{escape(name)}</code></th><td class="shape">{escape(shape)}</td>'
            f'<td class="number">{size:,}</td><td class="number">{ms}</td><td class="bar">{bar}</td></tr>'
        )
    text = (
        f"<p>Time of the forward pass of a batch of {batch}: what each layer adds, as the difference of medians of "
        "the pass with and without it. What is computed together with the layer before it, as a pool after a "
        "convolution, may cost nothing.</p>"
    )
    head = '<th scope="col">layer</th><th scope="col">output shape</th>'
    head += '<th scope="col" class="number">parameters</th><th scope="col" class="number">forward, ms</th><td></td>'
    return section(
        "Layers",
        f'{text}<div class="wide"><table class="layers"><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody>'
        f"</table></div><p>{total:,} parameters in all.</p>",
    )


def facts(title: str, values: Mapping[str, Any]) -> str:
    """Show names and values."""
    rows = [[name.replace("_", " "), "-" if value in (None, "") else str(value)] for name, value in values.items()]
    return section(title, table(["name", "value"], rows, show_head=False))


def section(title: str, content: str) -> str:
    """Put a heading over HTML."""
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    numeric: bool = False,
    caption: str = "",
    show_head: bool = True,
) -> str:
    """Make a table of texts; the first column heads its rows."""
    if not rows:
        return ""
    kind = ' class="number"' if numeric else ""
    top = f'<th scope="col">{escape(head[0])}</th>'
    top += "".join(f'<th scope="col"{kind}>{escape(name)}</th>' for name in head[1:])
    body = "".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td{kind}>{escape(value)}</td>" for value in row[1:])
        + "</tr>"
        for row in rows
    )
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    titles = f"<thead><tr>{top}</tr></thead>" if show_head else ""
    return f'<div class="wide"><table>{above}{titles}<tbody>{body}</tbody></table></div>'
