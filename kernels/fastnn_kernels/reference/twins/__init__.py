"""The ops of the tape in terms of the public twins: `<op>_<kernel>` for each kernel of the registry, a file a family.

Each takes plain (N, ...) arrays by operand name (None: absent) and the row's attributes, of which it uses
what it needs. `shapes` holds the shapes of one sample and of the parameters, as the forward row had them.
"""

from collections.abc import Mapping

Shapes = Mapping[str, tuple[int, ...]]
Pads = tuple[int, int, int, int]
