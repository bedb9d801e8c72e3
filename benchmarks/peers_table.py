"""Reduce the rounds of `peers.py` to a row, and lay rows out as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import jax_worker
import nets
import workers

PEERS = {"torch": workers.VARIANTS, "jax": jax_worker.VARIANTS}
NOTE = "Images a second: medians. Ratio: median of the ratios by round, to the fastest variant of PyTorch and of JAX."
NOTES = {
    "training": "Share: useful direct multiply-adds only.",
    "inference": "Difference: the largest of outputs, as a share of the largest output.",
}


def summary(case: str, rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Reduce the rounds of one case to the figures of the table.

    Parameters
    ----------
    case : str
        NET:BATCH.
    rounds : sequence of dict
        Each with `runs` (name -> `images_per_second` and `losses` or `difference`; or `error`) and, where it is
        training, `fma_peak_gflops`.
    """
    name, _, batch = case.partition(":")
    speeds: dict[str, list[float]] = {}
    errors: dict[str, str] = {}
    for done in rounds:
        for variant, run in done["runs"].items():
            if "error" in run:
                errors[variant] = run["error"]
            else:
                speeds.setdefault(variant, []).append(run["images_per_second"])
    for variant in errors:
        speeds.pop(variant, None)
    ours = speeds.pop("fastnn")
    result: dict[str, Any] = {
        "net": name,
        "batch": int(batch),
        "fastnn": median(ours),
        "peers": {variant: median(values) for variant, values in speeds.items()},
        "errors": errors,
        "ratios": {},
    }
    for variants in PEERS.values():
        if found := [variant for variant in variants if variant in speeds]:
            best = max(found, key=lambda variant: max(speeds[variant]))
            result["ratios"][best] = median(a / b for a, b in zip(ours, speeds[best], strict=True))
    first = rounds[0]["runs"]["fastnn"]
    if "losses" in first:
        peak = median(done["fma_peak_gflops"] for done in rounds)
        share = median(ours) * nets.training_flops(nets.NETS[name]) / 1e9 / peak
        result |= {"fma_peak_gflops": peak, "share_of_peak": share}
        result |= {"first_loss": first["losses"][0], "last_loss": first["losses"][-1]}
    else:
        runs = [run for done in rounds for run in done["runs"].values()]
        result["difference"] = max((run["difference"] for run in runs if "difference" in run), default=None)
    return result


def tables(kind: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Make a table of the rows of each machine, versions and command."""
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["conditions"], row["command"]), []).append(row)
    return [_table(kind, group, *common) for common, group in groups.items()]


def _table(kind: str, rows: Sequence[Mapping[str, Any]], conditions: str, command: str) -> str:
    every = [name for names in PEERS.values() for name in names]
    variants = [name for name in every if any(name in row["peers"] for row in rows)]
    head = ["network", "batch", "fastnn", *(_title(name) for name in variants), "ratio to the best of each"]
    head += ["share of the FMA peak", "loss, step 1 to 20"] if kind == "training" else ["difference"]
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    for row in rows:
        speeds = row["peers"]
        cells = [nets.NETS[row["net"]].title, f"{row['batch']:,}", f"{row['fastnn']:,.0f}"]
        cells += [f"{speeds[name]:,.0f}" if name in speeds else "-" for name in variants]
        cells.append(", ".join(f"{ratio:.2f} ({name})" for name, ratio in row["ratios"].items()) or "-")
        if kind == "training":
            cells.append(f"{row['share_of_peak']:.0%} of {row['fma_peak_gflops']:.0f} GFLOP/s")
            cells.append(f"{row['first_loss']:.4f} to {row['last_loss']:.4f}")
        else:
            cells.append("-" if row["difference"] is None else f"{row['difference']:.0e}")
        lines.append("| " + " | ".join(cells) + " |")
    failures = {name: error for row in rows for name, error in row["errors"].items()}
    lines += ["", *(f"{_title(name)} does not run here: {error}\n" for name, error in failures.items())]
    cases = " ".join(f"--case {row['net']}:{row['batch']}" for row in rows)
    return "\n".join([*lines, conditions, f"{NOTE} {NOTES[kind]}", f"`{command} {cases}`"])


def _title(variant: str) -> str:
    """Name a variant with its library."""
    return variant.replace("jax", "JAX") if variant in jax_worker.VARIANTS else f"PyTorch {variant}"
