"""The rows that bring the images of a step into lane blocks."""

from __future__ import annotations

from .tape import Row, Tape


def load_rows(tape: Tape, source: int, *, augmented: bool) -> list[Row]:
    """Return the rows that load images of the kind `source` (`convert.py`), on the way augmented where wanted."""
    target, steps = tape.inputs[0], tape.augmentation if augmented else ()
    if not steps:
        return [Row("load", "forward", {"y": target}, {}, {}, {"source": source})]
    x = tape.value(target.shape, "images")
    rows = [Row("fetch", "forward", {"y": x}, {}, {}, {"source": source})]
    for step in steps:
        y = tape.value(target.shape, f"images.{step.name}")
        rows.append(Row(f"augment_{step.name}", "forward", {"x": x, "y": y}, {}, {}, {"augmentation": step}))
        x = y
    return [*rows, Row("interleave", "forward", {"x": x, "y": target}, {}, {}, {})]
