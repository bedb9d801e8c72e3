"""Compare training speed with PyTorch, where it is installed.

    python benchmarks/peers.py                                   all cases, five rounds
    python benchmarks/peers.py --case lenet5:32 --rounds 9 --json peers.json --write peers.md

Each measurement is a process of its own; fastnn and PyTorch take turns, A B A B. Both train the same network
from the same weights on the same images in memory, with the same batch, threads and Adam, and the losses of
the first 20 steps must be equal. PyTorch runs in several variants; the fastest one in any round is compared,
and the ratio is the median of the ratios of the rounds.
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

import nets
import workers

CASES = ("lenet5:128", "keras_cnn:128", "lenet5:32")
FLOPS_AN_EPOCH = 2e10  # long enough to time, short enough for several epochs a process


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison, print a table, write the files that were asked for."""
    options = _parser().parse_args(argv)
    if options.worker:
        print(json.dumps(_work(options)))
        return 0
    options.case = options.case or list(CASES)
    libraries = ["fastnn", "torch"]
    if options.alone:
        libraries.remove("torch")
    elif importlib.util.find_spec("torch") is None:
        print("PyTorch is not installed (pip install torch): the figures of fastnn alone follow.\n")
        libraries.remove("torch")
    results = [_measure(case, libraries, options) for case in options.case]
    text = _table(results, options)
    print(text)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if options.write:
        options.write.write_text(text + "\n", encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare training speed with PyTorch.")
    add = parser.add_argument
    add("--case", action="append", type=_case, metavar="NET:BATCH", help=f"repeatable; default {CASES}")
    add("--rounds", type=int, default=5, help="processes of each library; default %(default)s")
    add("--threads", type=int, default=2, help="default %(default)s")
    add("--seconds", type=float, default=1.0, help="least time of one measurement; default %(default)s")
    add("--variant", action="append", choices=workers.VARIANTS, help="of PyTorch, repeatable; default all")
    add("--alone", action="store_true", help="measure fastnn alone")
    add("--json", type=Path, metavar="FILE", help="write every round to this file")
    add("--write", type=Path, metavar="FILE.md", help="write the table to this file")
    add("--worker", choices=("fastnn", "torch"), help="measure one library in this process and print JSON")
    add("--weights", type=Path, help="of a worker: fastnn writes its initial weights, PyTorch reads them")
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
    steps = max(30, round(FLOPS_AN_EPOCH / nets.training_flops(net) / batch))
    common = (net, batch, options.threads, steps * batch, options.seconds, options.weights)
    if options.worker == "fastnn":
        return workers.fastnn_worker(*common)
    return workers.torch_worker(*common, options.variant or list(workers.VARIANTS))


def _measure(case: str, libraries: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """Run all rounds of one case and check that the losses agree."""
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            done: dict[str, Any] = {"runs": {}}
            for library in libraries:
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
        "torch": {name: median(values) for name, values in peers.items()},
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
    return result


def _table(results: list[dict[str, Any]], options: argparse.Namespace) -> str:
    """Lay the results out as Markdown, with machine, versions and command below."""
    variants = [name for name in workers.VARIANTS if any(name in result["torch"] for result in results)]
    head = ["network", "batch", "fastnn", *(f"PyTorch {name}" for name in variants)]
    head += ["ratio to the best", "share of the FMA peak", "loss, step 1 to 20"]
    rows = [head, ["---"] * len(head)]
    for result in results:
        net, batch = _net_and_batch(result["case"])
        row = [net.title, str(batch), f"{result['fastnn']:,.0f}"]
        speeds = result["torch"]
        row += [f"{speeds[name]:,.0f}" if name in speeds else "does not run" for name in variants]
        row.append(f"{result['ratio']:.2f} ({result['best_variant']})" if "ratio" in result else "-")
        row.append(f"{result['share_of_peak']:.0%} of {result['fma_peak_gflops']:.0f} GFLOP/s")
        row.append(f"{result['first_loss']:.4f} to {result['last_loss']:.4f}")
        rows.append(row)
    lines = ["Training, images a second (medians):", "", *("| " + " | ".join(row) + " |" for row in rows), ""]
    failures = {name: error for result in results for name, error in result["errors"].items()}
    lines += [f"PyTorch {name} does not run here: {error}\n" for name, error in failures.items()]
    last = results[-1]["rounds"][-1]
    config = last["config"]
    names = [f"Python {python_version()}", *(f"{name} {version(name)}" for name in ("numpy", "numba"))]
    names += [f"PyTorch {last['torch']}"] if "torch" in last else []
    cases = " ".join(f"--case {case}" for case in options.case)
    lines += [
        f"{config['cpu']}, {config['isa']}, {options.threads} threads ({config['threading_layer']}); "
        f"{', '.join(names)}.",
        "Ratio: median of the ratios round by round, to PyTorch's fastest variant. Share: useful direct "
        "multiply-adds only.",
        f"`python benchmarks/peers.py {cases} --rounds {options.rounds} --threads {options.threads} "
        f"--seconds {options.seconds:g}`",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
