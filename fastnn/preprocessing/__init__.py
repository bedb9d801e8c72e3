"""Inputs made easier to learn from: Normalize, Standardize, Decorrelate, Whiten.

>>> scaler = fn.preprocessing.Standardize().fit(x_train)
>>> model.fit(scaler.transform(x_train), y_train)
>>> model.evaluate(scaler.transform(x_test), y_test)

What `fit` finds in the training data, `transform` applies to any data. float32 and float64 stay what they are;
other numbers are cast first, those of one or two bytes to float32 and longer integers to float64. Sums are taken in
float64, and a slice of the samples at a time, so that memory maps larger than memory can be fitted.
"""

from .base import Preprocessor
from .rotation import Decorrelate, Whiten
from .scale import Normalize, Standardize

__all__ = ["Decorrelate", "Normalize", "Preprocessor", "Standardize", "Whiten"]
