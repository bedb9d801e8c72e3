"""Cases of the learning rules."""

from itertools import chain

from case import Call, Case, Data


def learning_cases(n: int, n_in: int, n_out: int) -> list[Case]:
    def hebb(d: Data) -> Call:
        return (d.array(n_in, n_out), d.array(n, n_in), d.array(n, n_out)), {"eta": 2 if d.integers else 0.1}

    def delta(d: Data) -> Call:
        # The error is far from 0, so that few weights stay as they are.
        (w, x, y), eta = hebb(d)
        return (w, x, 4 * d.positive(n, n_out) + 1, y), eta

    size = f"{n}x{n_in}x{n_out}"
    return [
        Case(f"hebb_update:{size}", "hebb_update", hebb, terms=n, exact=True, in_place=(0,)),
        Case(f"delta_update:{size}", "delta_update", delta, terms=n, exact=True, in_place=(0,)),
    ]


CASES = list(chain.from_iterable(learning_cases(*s) for s in [(1, 1, 1), (3, 5, 4), (17, 33, 10), (40, 12, 70)]))
