"""Hyper-parameter search: `search`, what it draws from, and what it returns.

>>> def build(units, lr):
...     model = fn.Sequential([fn.Flatten(), fn.Dense(units, activation="relu"), fn.Dense(10)], (1, 8, 8))
...     model.compile(fn.Adam(lr), "softmax_cross_entropy", ["accuracy"])
...     return model
>>> space = {"units": [16, 32, 64], "lr": fn.tuning.LogUniform(1e-4, 1e-1), "batch_size": [16, 64]}
>>> result = fn.search(build, space, x, y, trials=20, epochs=5, path="search.json")
>>> print(result)
>>> result.best_params, result.best_model
"""

from .distributions import Distribution, Integers, LogUniform, Uniform
from .result import SearchResult, Trial
from .run import search

__all__ = ["Distribution", "Integers", "LogUniform", "SearchResult", "Trial", "Uniform", "search"]
