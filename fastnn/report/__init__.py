"""A training report: one HTML page that holds everything it shows, to be read without a network.

>>> history = model.fit(x_train, y_train, epochs=10)
>>> fn.report.write("report.html", model, x_test, y_test)
"""

from .page import write

__all__ = ["write"]
