"""Cases of the dense layer."""

from itertools import chain

from case import Case


def dense_cases(n: int, n_in: int, n_out: int) -> list[Case]:
    size = f"{n}x{n_in}x{n_out}"
    return [
        Case(
            f"dense:{size}",
            "dense",
            lambda d: ((d.array(n, n_in), d.array(n_in, n_out), d.array(n_out)), {}),
            terms=n_in,
            exact=True,
            gradient=lambda f, a, kw, dy: dict(enumerate(f.dense_backward(dy, a[0], a[1]))),
        ),
        Case(
            f"dense:{size}:no-bias",
            "dense",
            lambda d: ((d.array(n, n_in), d.array(n_in, n_out)), {}),
            terms=n_in,
            exact=True,
        ),
        Case(
            f"dense_backward:{size}",
            "dense_backward",
            lambda d: ((d.array(n, n_out), d.array(n, n_in), d.array(n_in, n_out)), {}),
            terms=max(n, n_out),
            exact=True,
        ),
    ]


CASES = list(chain.from_iterable(dense_cases(*s) for s in [(1, 1, 1), (3, 5, 4), (16, 33, 10), (17, 120, 84)]))
