"""The command line, also `python -m fastnn`: a file for each command.

Exit codes: 0 done, 2 wrong arguments, data or files (one line on stderr), 130 interrupted.
"""

from .entry import main

__all__ = ["main"]
