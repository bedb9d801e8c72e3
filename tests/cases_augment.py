"""Cases of augmentation."""

from itertools import chain
from typing import Any

from case import Case, Data

KEY = {"seed": 2**40 + 3, "step": 5}
# For tests of behaviour: name, arguments after x, options.
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("flip", (), {"vertical": True}),
    ("crop", ((2, 3),), {"size": (7, 6)}),
    ("shift", (3,), {}),
    ("rotate", (40,), {}),
    ("cutout", (4,), {}),
]


def augmentation_cases(*shape: int) -> list[Case]:
    size = "x".join(map(str, shape))

    def case(kernel: str, label: str, *option: Any, exact: bool = True, sparse: bool = False, **options: Any) -> Case:
        return Case(
            f"{kernel}:{label}{size}",
            kernel,
            lambda d: ((d.array(*shape), *option), {**KEY, **options}),
            terms=4,
            exact=exact,
            sparse=sparse,
        )

    return [
        case("flip", ""),
        case("flip", "both:", vertical=True, sample_offset=7, op=1),
        case("flip", "always-down:", horizontal=False, vertical=True, probability=1),
        case("crop", "", 2, sparse=True),
        case("crop", "sized:", (0, 1), size=(shape[2], 1), sparse=True),
        case("crop", "filled:", (3, 0), size=(2, shape[3]), fill=-2),
        case("shift", "", (1, 2), sparse=True),
        case("shift", "far:", 2 * max(shape), fill=3),
        case("rotate", "", 30, exact=False),
        case("rotate", "turned:", (90, 90), exact=shape[2] % 2 == shape[3] % 2, sparse=True),
        case("rotate", "any:", (-360.0, 360.0), fill=1.5, exact=False),
        case("rotate", "not:", 0),
        case("cutout", "", 3, sparse=True),
        case("cutout", "filled:", (2, 40), fill=2.0),
    ]


def mixup_cases(classes: int, *shape: int) -> list[Case]:
    size = "x".join(map(str, shape))

    def case(label: str, alpha: float, *, exact: bool = False, **options: Any) -> Case:
        def make(d: Data) -> Any:
            return (d.array(*shape), d.array(shape[0], classes), alpha), {**KEY, **options}

        return Case(f"mixup:{label}:{size}", "mixup", make, terms=2, exact=exact)

    return [
        case("uniform", 1.0),
        case("small", 0.1, sample_offset=3, op=4),
        case("tiny", 1e-12),
        # Every share is 1/2, and halves of small integers are exact.
        case("halves", 1e30, exact=True),
    ]


CASES = [
    *chain.from_iterable(augmentation_cases(*s) for s in [(1, 1, 1, 1), (17, 3, 8, 8), (3, 2, 7, 19), (2, 1, 33, 5)]),
    *chain.from_iterable(mixup_cases(c, *s) for c, s in [(2, (1, 3)), (10, (17, 3, 8, 8)), (3, (4, 33))]),
]
