"""Copies of the kernels with a cache of their own, and programs that use them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import fastnn_kernels

PACKAGE = Path(fastnn_kernels.__file__).parent


class Place:
    """A copy of the package, and the environment in which programs use it."""

    def __init__(self, root, package=PACKAGE):
        self.root = root
        self.package = root / "install" / "fastnn_kernels"
        shutil.copytree(package, self.package, ignore=shutil.ignore_patterns("__pycache__"))
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "PYTHON"))}
        self.environment = {**kept, "PYTHONPATH": str(self.package.parent), "PYTHONDONTWRITEBYTECODE": "1",
                            "NUMBA_NUM_THREADS": "2"}  # fmt: skip
        self.home(root / "home")

    def home(self, path):
        """Let the user's cache folder lie in `path`, on every system."""
        self.environment |= dict.fromkeys(("HOME", "USERPROFILE", "XDG_CACHE_HOME", "LOCALAPPDATA"), str(path))

    def start(self, program):
        return subprocess.Popen(
            [sys.executable, "-c", program], env=self.environment, cwd=self.root, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def printed(self, process):
        """Wait for a program that must succeed and warn of nothing; return its line."""
        out, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, "")
        return out.strip()

    @property
    def cache(self):
        return self.package / "__pycache__"

    def files(self, pattern="*"):
        return sorted(self.cache.glob(pattern))
