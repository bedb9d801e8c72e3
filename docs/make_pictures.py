"""Make the pictures of the pages beside this file: run the code of each page, which draws them.

python docs/make_pictures.py            all pages
python docs/make_pictures.py 05 14      those whose names start so
"""

import os
import re
import sys
from pathlib import Path

import matplotlib

DOCS = Path(__file__).resolve().parent
STYLE = {
    "svg.hashsalt": "fastnn",  # the same picture is the same file
    "font.size": 9,
    "axes.grid": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.facecolor": "white",  # readable on a dark page too
}


def code_of(page: Path) -> str:
    """Return the Python code of a page."""
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return "\n".join(blocks)


def main() -> None:
    """Run the pages in the folder of the pictures."""
    matplotlib.use("svg")
    matplotlib.rcParams.update(STYLE)
    os.environ["SOURCE_DATE_EPOCH"] = "0"  # no date in the files
    starts = tuple(sys.argv[1:]) or ("",)
    os.chdir(DOCS / "pictures")
    for page in sorted(DOCS.glob("[0-9]*.md")):
        if page.name.startswith(starts):
            print(page.name)
            exec(compile(code_of(page), page.name, "exec"), {"__name__": "page"})
            matplotlib.pyplot.close("all")


if __name__ == "__main__":
    main()
