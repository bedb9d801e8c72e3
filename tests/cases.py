"""The one table of cases: every public kernel, with shapes that have odd edges.

Twin tests, gradient tests, the PyTorch oracle and the benchmarks read it. The rows of a family are in its
`cases_*.py`; a new kernel needs one there.
"""

import cases_activation
import cases_augment
import cases_clip
import cases_conv
import cases_dense
import cases_dropout
import cases_learning_rule
import cases_loss
import cases_norm
import cases_optimizer
import cases_pool
from case import Case

__all__ = ["CASES", "Case", "one_per_kernel"]

CASES: list[Case] = [
    *cases_activation.CASES,
    *cases_clip.CASES,
    *cases_augment.CASES,
    *cases_conv.CASES,
    *cases_dense.CASES,
    *cases_dropout.CASES,
    *cases_learning_rule.CASES,
    *cases_loss.CASES,
    *cases_norm.CASES,
    *cases_optimizer.CASES,
    *cases_pool.CASES,
]


def one_per_kernel(cases: list[Case]) -> list[Case]:
    """Return the middle row of each kernel, for tests of behaviour rather than of numbers."""
    rows: dict[str, list[Case]] = {}
    for case in cases:
        rows.setdefault(case.kernel, []).append(case)
    return [kernel_rows[len(kernel_rows) // 2] for kernel_rows in rows.values()]
