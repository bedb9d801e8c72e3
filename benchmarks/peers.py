"""Compare training speed with PyTorch and JAX, where they are installed.

    python benchmarks/peers.py                                   all cases, five rounds
    python benchmarks/peers.py --case lenet5:32 --rounds 9 --json peers.json --write peers.md

Each measurement is a process of its own; the libraries take turns, A B C A B C. All train the same network
from the same weights on the same images in memory, with the same batch, threads and Adam, and the losses of
the first 20 steps must be equal. PyTorch and JAX run in several variants; of each the fastest one in any round is
compared, and the ratio is the median of the ratios of the rounds. JAX runs networks of convolutions, pools and dense
layers, on as many threads as the process may use.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from statistics import median
from typing import Any

import jax_worker
import nets
import workers

CASES = ("lenet5:128", "keras_cnn:128", "lenet5:32")
PEERS = {"torch": workers.VARIANTS, "jax": jax_worker.VARIANTS}
FLOPS_AN_EPOCH = 2e10  # long enough to time, short enough for several epochs a process
MOST_STEPS = 10_000  # of tiny nets, which others take 200 us a step for


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison, print a table, write the files that were asked for."""
    options = _parser().parse_args(argv)
    if options.worker:
        print(json.dumps(_work(options)))
        return 0
    options.case = options.case or list(CASES)
    libraries = ["fastnn"]
    for library, variants in PEERS.items():
        if options.alone or (options.variant and not set(options.variant) & set(variants)):
            continue
        if importlib.util.find_spec(library) is None:
            print(f"{library} is not installed (pip install {library}): the figures without it follow.\n")
        else:
            libraries.append(library)
    results = [_measure(case, libraries, options) for case in options.case]
    text = _table(results, options)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if options.write:
        options.write.write_text(text + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare training speed with PyTorch and JAX.")
    add = parser.add_argument
    add("--case", action="append", type=_case, metavar="NET:BATCH", help=f"repeatable; default {CASES}")
    add("--rounds", type=int, default=5, help="processes of each library; default %(default)s")
    add("--threads", type=int, default=2, help="default %(default)s")
    add("--seconds", type=float, default=1.0, help="least time of one measurement; default %(default)s")
    add("--variant", action="append", choices=[*workers.VARIANTS, *jax_worker.VARIANTS],
        help="of PyTorch or JAX, repeatable; default all")
    add("--alone", action="store_true", help="measure fastnn alone")
    add("--json", type=Path, metavar="FILE", help="write every round to this file")
    add("--write", type=Path, metavar="FILE.md", help="write the table to this file")
    add("--worker", choices=("fastnn", *PEERS), help="measure one library in this process and print JSON")
    add("--weights", type=Path, help="of a worker: fastnn writes its initial weights, the others read them")
    return parser


def _case(text: str) -> str:
    """Check NET:BATCH."""
    net, _, batch = text.partition(":")
    if net not in nets.NETS or not batch.isdecimal() or int(batch) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not NET:BATCH with NET one of {', '.join(nets.NETS)}")
    return text


def _net_and_batch(case: str) -> tuple[nets.Net, int]:
    name, batch = case.split(":")
    return nets.NETS[name], int(batch)


def _work(options: argparse.Namespace) -> dict[str, Any]:
    """Do one measurement in this process."""
    net, batch = _net_and_batch(options.case[0])
    steps = min(MOST_STEPS, max(30, round(FLOPS_AN_EPOCH / nets.training_flops(net) / batch)))
    common = (net, batch, options.threads, steps * batch, options.seconds, options.weights)
    if options.worker == "fastnn":
        return workers.fastnn_worker(*common)
    variants = [name for name in PEERS[options.worker] if not options.variant or name in options.variant]
    if options.worker == "jax":
        return jax_worker.jax_worker(net, batch, steps * batch, options.seconds, options.weights, variants)
    return workers.torch_worker(*common, variants)


def _measure(case: str, libraries: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """Run all rounds of one case and check that the losses agree."""
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            done: dict[str, Any] = {"runs": {}}
            for library in libraries:
                if library == "jax" and not jax_worker.can_run(_net_and_batch(case)[0]):
                    continue
                print(f"{case}: round {number + 1} of {options.rounds}, {library}", file=sys.stderr)
                answer = _run_worker(case, library, Path(folder) / "weights.npz", options)
                done["runs"] |= answer.pop("runs")
                done |= answer
            _check_losses(case, done["runs"])
            rounds.append(done)
    return {"case": case, "threads": options.threads, "rounds": rounds, **summary(case, rounds)}


def _run_worker(case: str, library: str, weights: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run one worker and read the last line it prints."""
    command = [sys.executable, __file__, "--worker", library, "--case", case, "--weights", str(weights)]
    command += ["--threads", str(options.threads), "--seconds", str(options.seconds)]
    for variant in options.variant or ():
        command += ["--variant", variant]
    done = subprocess.run(
        command, env=workers.environment(options.threads), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{case}: the {library} process failed:\n{done.stderr[-3000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _check_losses(case: str, runs: dict[str, Any]) -> None:
    """Stop unless every library and variant saw the losses of fastnn."""
    ours = runs["fastnn"]["losses"]
    tolerance = _net_and_batch(case)[0].tolerance
    for name, run in runs.items():
        if "error" in run:
            continue
        differences = [abs(a - b) / abs(b) for a, b in zip(ours, run["losses"], strict=True)]
        if not all(difference <= tolerance for difference in differences):  # a NaN fails too
            raise SystemExit(
                f"{case}: the losses of {name} differ from those of fastnn by more than {tolerance:g}\n"
                f"fastnn {ours}\n{name} {run['losses']}"
            )


def summary(case: str, rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Reduce the rounds of one case to the figures of the table.

    Parameters
    ----------
    case : str
        NET:BATCH.
    rounds : list of dict
        Each with `runs` (name -> `images_per_second`, `losses`, or `error`) and `fma_peak_gflops`.
    """
    flops = nets.training_flops(_net_and_batch(case)[0])
    speeds: dict[str, list[float]] = {}
    errors: dict[str, str] = {}
    for done in rounds:
        for name, run in done["runs"].items():
            if "error" in run:
                errors[name] = run["error"]
            else:
                speeds.setdefault(name, []).append(run["images_per_second"])
    for name in errors:
        speeds.pop(name, None)
    ours = speeds["fastnn"]
    peers = {name: values for name, values in speeds.items() if name != "fastnn"}
    peak = median(done["fma_peak_gflops"] for done in rounds)
    losses = rounds[0]["runs"]["fastnn"]["losses"]
    result: dict[str, Any] = {
        "fastnn": median(ours),
        "peers": {name: median(values) for name, values in peers.items()},
        "errors": errors,
        "fma_peak_gflops": peak,
        "share_of_peak": median(ours) * flops / 1e9 / peak,
        "first_loss": losses[0],
        "last_loss": losses[-1],
    }
    if peers:
        best = max(peers, key=lambda name: max(peers[name]))
        result["best_variant"] = best
        result["ratio"] = median(a / b for a, b in zip(ours, peers[best], strict=True))
        result["ratio_to_best_round"] = median(ours) / max(peers[best])
        result["ratios"] = {}
        for variants in PEERS.values():
            if found := [name for name in variants if name in peers]:
                best = max(found, key=lambda name: max(peers[name]))
                result["ratios"][best] = median(a / b for a, b in zip(ours, peers[best], strict=True))
    return result


def _table(results: list[dict[str, Any]], options: argparse.Namespace) -> str:
    """Lay the results out as Markdown, with machine, versions and command below."""
    every = [name for names in PEERS.values() for name in names]
    variants = [name for name in every if any(name in result["peers"] for result in results)]
    head = ["network", "batch", "fastnn", *(_title(name) for name in variants)]
    head += ["ratio to the best of each", "share of the FMA peak", "loss, step 1 to 20"]
    rows = [head, ["---"] * len(head)]
    for result in results:
        net, batch = _net_and_batch(result["case"])
        row = [net.title, str(batch), f"{result['fastnn']:,.0f}"]
        speeds = result["peers"]
        row += [f"{speeds[name]:,.0f}" if name in speeds else "-" for name in variants]
        row.append(", ".join(f"{r:.2f} ({name})" for name, r in result.get("ratios", {}).items()) or "-")
        row.append(f"{result['share_of_peak']:.0%} of {result['fma_peak_gflops']:.0f} GFLOP/s")
        row.append(f"{result['first_loss']:.4f} to {result['last_loss']:.4f}")
        rows.append(row)
    lines = ["Training, images a second (medians):", "", *("| " + " | ".join(row) + " |" for row in rows), ""]
    failures = {name: error for result in results for name, error in result["errors"].items()}
    lines += [f"{_title(name)} does not run here: {error}\n" for name, error in failures.items()]
    last = results[-1]["rounds"][-1]
    config = last["config"]
    names = [f"Python {python_version()}", *(f"{name} {version(name)}" for name in ("numpy", "numba"))]
    done = {key: value for result in results for key, value in result["rounds"][-1].items()}
    names += [f"{title} {done[key]}" for key, title in (("torch", "PyTorch"), ("jax", "JAX")) if key in done]
    cases = " ".join(f"--case {case}" for case in options.case)
    cases += "".join(f' --variant "{name}"' for name in options.variant or ())
    lines += [
        f"{config['cpu']}, {config['isa']}, {options.threads} threads ({config['threading_layer']}); "
        f"{', '.join(names)}.",
        "Ratio: median of the ratios round by round, to the fastest variant of PyTorch and of JAX. Share: useful "
        "direct multiply-adds only.",
        f"`python benchmarks/peers.py {cases} --rounds {options.rounds} --threads {options.threads} "
        f"--seconds {options.seconds:g}`",
    ]
    return "\n".join(lines)


def _title(variant: str) -> str:
    """Name a variant with its library."""
    return variant.replace("jax", "JAX") if variant in jax_worker.VARIANTS else f"PyTorch {variant}"


if __name__ == "__main__":
    sys.exit(main())
