"""Compare training or inference with PyTorch and JAX, where they are installed.

    python benchmarks/peers.py                                   all cases of training, five rounds
    python benchmarks/peers.py --inference                       all cases of inference
    python benchmarks/peers.py --case lenet5:32 --rounds 9 --json peers.json --write peers.md
    python benchmarks/peers.py --case lenet5:32 --record         into results.json and RESULTS.md, beside other cases

Each measurement is a process of its own; the libraries take turns, A B C A B C. All train the same network
from the same weights on the same images in memory, with the same batch, threads and Adam, and the losses of
the first 20 steps must be equal. In inference they all go through the same batches, and outputs must be equal within
rounding before anything is timed. PyTorch and JAX run in several variants; of each the fastest one in any round is
compared, and the ratio is the median of the ratios of the rounds. torch.compile needs a C++ compiler. JAX runs networks
of convolutions, pools and dense layers; the number of threads reaches it through its environment (see
`workers.environment`).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import inference
import jax_worker
import nets
import results
import workers
from peers_table import PEERS, summary, tables

CASES = {"training": ("lenet5:128", "keras_cnn:128", "lenet5:32"), "inference": ("lenet5:1", "lenet5:1000")}
FLOPS_AN_EPOCH = 2e10  # long enough to time, short enough for several epochs a process
MOST_STEPS = 10_000  # of tiny nets, which others take 200 us a step for
LEAST_IMAGES, LEAST_BATCHES = 1000, 4  # that inference goes through in a row


def main(argv: Sequence[str] | None = None) -> int:
    """Run the comparison, print a table, write the files that were asked for."""
    options = _parser().parse_args(argv)
    if options.worker:
        print(json.dumps(_work(options)))
        return 0
    kind = "inference" if options.inference else "training"
    options.case = options.case or list(CASES[kind])
    libraries = ["fastnn"]
    for library, variants in PEERS.items():
        if options.alone or (options.variant and not set(options.variant) & set(variants)):
            continue
        if importlib.util.find_spec(library) is None:
            print(f"{library} is not installed (pip install {library}): the figures without it follow.\n")
        else:
            libraries.append(library)
    found = [_measure(case, libraries, options) for case in options.case]
    rows = [{key: value for key, value in row.items() if key != "rounds"} for row in found]
    text = "\n\n".join(tables(kind, rows))
    print(text)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if options.write:
        options.write.write_text(text + "\n", encoding="utf-8")
    if options.record:
        results.record(kind, rows)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare training or inference with PyTorch and JAX.")
    add = parser.add_argument
    add("--case", action="append", type=_case, metavar="NET:BATCH", help=f"repeatable; default {CASES}")
    add("--inference", action="store_true", help="compare inference; default is training")
    add("--rounds", type=int, default=5, help="processes of each library; default %(default)s")
    add("--threads", type=int, default=2, help="default %(default)s")
    add("--seconds", type=float, default=1.0, help="least time of one measurement; default %(default)s")
    variants = [variant for variants in PEERS.values() for variant in variants]
    add("--variant", action="append", choices=variants, help="of PyTorch or JAX, repeatable; default all")
    add("--alone", action="store_true", help="measure fastnn alone")
    add("--json", type=Path, metavar="FILE", help="write every round to this file")
    add("--write", type=Path, metavar="FILE.md", help="write the table to this file")
    add("--record", action="store_true", help="put the figures into results.json and RESULTS.md")
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
    variants = [name for name in PEERS.get(options.worker, ()) if not options.variant or name in options.variant]
    if options.inference:
        images = max(LEAST_IMAGES // batch, LEAST_BATCHES) * batch
        if options.worker == "jax":
            return inference.jax_inference(net, batch, images, options.seconds, options.weights)
        common = (net, batch, options.threads, images, options.seconds, options.weights)
        if options.worker == "fastnn":
            return inference.fastnn_inference(*common)
        return inference.torch_inference(*common, variants)
    images = min(MOST_STEPS, max(30, round(FLOPS_AN_EPOCH / nets.training_flops(net) / batch))) * batch
    if options.worker == "jax":
        return jax_worker.jax_worker(net, batch, images, options.seconds, options.weights, variants)
    common = (net, batch, options.threads, images, options.seconds, options.weights)
    if options.worker == "fastnn":
        return workers.fastnn_worker(*common)
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
            if not options.inference:
                _check_losses(case, done["runs"])
            rounds.append(done)
    command = f"python benchmarks/peers.py{' --inference' if options.inference else ''}"
    command += "".join(f' --variant "{name}"' for name in options.variant or ())
    command += f" --rounds {options.rounds} --threads {options.threads} --seconds {options.seconds:g}"
    common = {"conditions": results.conditions(rounds[-1]["config"], options.threads), "command": command}
    return {**summary(case, rounds), **common, "rounds": rounds}


def _run_worker(case: str, library: str, weights: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Run one worker and read the last line it prints."""
    command = [sys.executable, __file__, "--worker", library, "--case", case, "--weights", str(weights)]
    command += ["--threads", str(options.threads), "--seconds", str(options.seconds)]
    command += ["--inference"] if options.inference else []
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


if __name__ == "__main__":
    sys.exit(main())
