"""Cases of dropout; its numbers are those of the twin, bit for bit."""

from typing import Any

from case import Array, Call, Case, Data


def dropout_cases(rate: float, shape: tuple[int, ...], **options: int) -> list[Case]:
    size = "x".join(map(str, shape)) + f":{rate}" + "".join(f":{name}{value}" for name, value in options.items())
    keywords = {"seed": 7, "step": 3, **options}

    def gradient(f: Any, a: tuple[Any, ...], kw: dict[str, Any], dy: Array) -> dict[int, Array]:
        return {0: f.dropout_backward(dy, f.dropout(*a, **kw)[1])}

    def forward(d: Data) -> Call:
        return (d.array(*shape), rate), keywords

    def backward(d: Data) -> Call:
        return (d.array(*shape), d.array(*shape)), {}

    # With a rate of a half the factor is 2: small integers stay exact.
    exact = rate in (0, 0.5, 1)
    return [
        Case(f"dropout:{size}", "dropout", forward, exact=exact, sparse=rate > 0, gradient=gradient),
        Case(f"dropout_backward:{size}", "dropout_backward", backward, exact=True),
    ]


CASES = [
    *dropout_cases(0.5, (1, 1)),
    *dropout_cases(0.5, (17, 33), op=2, sample_offset=5),
    *dropout_cases(0.25, (3, 6, 5, 7), seed=2**63 + 5, step=2**33),
    *dropout_cases(0.1, (2, 20011)),
    *dropout_cases(0.3, (5000,)),
    *dropout_cases(0, (3, 10)),
    *dropout_cases(1, (3, 10)),
]
