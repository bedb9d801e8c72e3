"""What is measured besides the loss, by name or as an object in ``compile(metrics=[...])``.

>>> model.compile(optimizer="adam", loss="softmax_cross_entropy", metrics=["accuracy", fn.metrics.TopKAccuracy(3)])
>>> fn.metrics.F1(average="macro")(model.predict(x), y)
>>> fn.metrics.confusion_matrix(y, model.predict_classes(x), classes=10)

A metric is a small description that is called with the outputs and the targets of all samples of an epoch; only
"accuracy" of a loss over classes is counted together with the loss, and costs nothing.
"""

from .base import Metric, averages, need_predictions
from .classification import F1, Accuracy, Precision, Recall, TopKAccuracy
from .confusion import confusion_matrix
from .named import get
from .regression import R2, MeanAbsoluteError, RootMeanSquaredError

__all__ = [
    "F1",
    "R2",
    "Accuracy",
    "MeanAbsoluteError",
    "Metric",
    "Precision",
    "Recall",
    "RootMeanSquaredError",
    "TopKAccuracy",
    "averages",
    "confusion_matrix",
    "get",
    "need_predictions",
]
