"""A process that trains in each of the ways a user's program may, for `test_threads.py`.

Prints for each way a line with the sha256 of what was trained: two models by turns, the same two in two Python threads
at once with 1, 2 and 3 workers, and by turns in a spawned child, in a forked one, in one forked while another thread
trains, and after all that.
"""

import hashlib
import multiprocessing
import os
import signal
import threading

import numpy as np
from tape_nets import SMALL
from tapes import MOMENTUM, data, make, threads

from fastnn_kernels import _threads
from fastnn_kernels.executor import Executor

MODELS = ("same_padded", "residual")
SECONDS = 60  # a child that hangs is ended


def train(net: str) -> str:
    """Train a few epochs; return the sha256 of the parameters."""
    tape = SMALL[net]()
    executor = make(Executor, tape, np.float64, MOMENTUM)
    x, y = data(tape, 70, np.float64)
    for epoch in range(15):
        executor.train(x, y, np.arange(70), 33, 1 + 3 * epoch, np.full(3, 0.01))
    return hashlib.sha256(executor.memory.params.tobytes()).hexdigest()


def by_turns() -> str:
    return " ".join(train(net) for net in MODELS)


def at_once() -> str:
    """Train the models in Python threads of their own, started together."""
    found: dict[str, str] = {}
    start = threading.Barrier(len(MODELS))

    def work(net: str) -> None:
        start.wait()
        found[net] = train(net)

    running = [threading.Thread(target=work, args=(net,)) for net in MODELS]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return " ".join(found[net] for net in MODELS)


def say(*words: object) -> None:
    print(*words, flush=True)


def forked(way: str) -> None:
    """Train in a forked child; it tells itself."""
    child = os.fork()
    if child == 0:
        signal.alarm(SECONDS)
        with threads(_threads.get_num_threads()) as used:
            say(way, by_turns())
            say(f"{way}-workers", *used)
            say(f"{way}-threads", *(thread.name for thread in threading.enumerate() if "fastnn" in thread.name))
        os._exit(0)
    os.waitpid(child, 0)


def forked_while_training(way: str) -> None:
    """Fork while another thread has the team."""
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            train(MODELS[0])

    running = threading.Thread(target=work)
    running.start()
    forked(way)
    over.set()
    running.join()


def spawned_child() -> None:
    with threads(2) as used:
        say("spawn", by_turns())
        say("spawn-workers", *used)


def main() -> None:
    for workers in (1, 2, 3):
        with threads(workers) as used:
            say(f"by-turns-{workers}", by_turns())
            say(f"at-once-{workers}", at_once())
            assert used == {workers}, used
    child = multiprocessing.get_context("spawn").Process(target=spawned_child)
    child.start()
    child.join(SECONDS)
    if hasattr(os, "fork"):
        with threads(2):
            forked("fork")
            forked_while_training("fork-busy")
            say("after-fork", by_turns())


if __name__ == "__main__":
    main()
