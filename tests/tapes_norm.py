"""Small nets with normalisation and dropout, most of which compute otherwise in training than at inference."""

from collections.abc import Callable
from typing import Any

import tapes

from fastnn_kernels.tape import Tape


class Net(tapes.Net):
    """A tape under construction, with the layers of these nets."""

    def _scale_and_shift(self, shape: tuple[int, ...], trainable: bool = True) -> dict[str, Any]:
        name = f"layer{len(self.tape.forward)}"
        gamma = self.tape.parameter(f"{name}/gamma", shape, decay=False, trainable=trainable)
        beta = self.tape.parameter(f"{name}/beta", shape, decay=False, trainable=trainable)
        return {"name": name, "gamma": gamma, "beta": beta, "eps": 1e-3}

    def batch_norm(self, *, momentum=0.1, trainable=True):
        operands = self._scale_and_shift(self.y.shape[:1], trainable)
        mean = self.tape.state(f"{operands['name']}/running_mean", self.y.shape[:1])
        var = self.tape.state(f"{operands['name']}/running_var", self.y.shape[:1], initial=1.0)
        return self.layer("batch_norm", **operands, running_mean=mean, running_var=var, momentum=momentum)

    def group_norm(self, groups, *, trainable=True):
        return self.layer("group_norm", **self._scale_and_shift(self.y.shape[:1], trainable), groups=groups)

    def layer_norm(self, axes):
        return self.layer("layer_norm", **self._scale_and_shift(self.y.shape[-axes:]))

    def dropout(self, rate, seed=5):
        return self.layer("dropout", rate=rate, seed=seed)


def normed_samples() -> Tape:
    """Group and layer normalisation: of a map, of its rows, of features, in front of the first parameter, frozen."""
    net = Net(4, 5, 6).group_norm(2, trainable=False).conv(6, (3, 3), padding=(1, 1, 1, 1)).group_norm(3).layer("relu")
    net.conv(4, (3, 3), padding=(1, 1, 1, 1)).layer_norm(1).group_norm(4).layer_norm(3).layer("tanh")
    return net.flatten().dense(9).layer_norm(1).layer("relu").dense(5).done()


def normed_batch() -> Tape:
    """Batch normalisation of maps and of features, in front of the first layer, frozen, and behind everything."""
    net = Net(2, 5, 6).batch_norm().conv(5, (3, 3), padding=(1, 1, 1, 1), bias=False).batch_norm(momentum=0.3)
    net.layer("relu").pool((2, 2), (2, 2)).conv(4, (2, 2), padding=(0, 1, 0, 1)).batch_norm(trainable=False)
    return net.layer("tanh").flatten().dense(9).batch_norm().layer("relu").dense(5).batch_norm().done()


def normed_residual() -> Tape:
    """Batch normalisation beside what it reads, as in residual nets; the first layer has nothing to train."""
    net = Net(3, 4, 4).batch_norm(trainable=False).conv(4, (3, 3), padding=(1, 1, 1, 1))
    before = net.y
    net.batch_norm().layer("relu").conv(4, (3, 3), padding=(1, 1, 1, 1)).batch_norm().layer("add", z=before)
    return net.layer("relu").flatten().dense(5).done()


def dropped() -> Tape:
    """Dropout of the images, of maps with and without a halo, of features, at rates 0 and 1."""
    net = Net(2, 5, 7).dropout(0.2).conv(4, (3, 3), padding=(1, 1, 1, 1)).layer("relu").dropout(0.3)
    net.conv(3, (3, 3), padding=(1, 1, 1, 1)).dropout(0.5).pool((2, 2), (2, 2)).flatten().dropout(0).dense(9)
    net.layer("relu").dropout(0.5)
    kept = net.y
    net.dense(5).dropout(1)
    nothing = net.y
    net.y = kept
    return net.dense(5).layer("add", z=nothing).done()


def everything() -> Tape:
    """Batch normalisation behind dropout, dropout behind batch normalisation, dropout last."""
    net = Net(2, 4, 6).conv(4, (3, 3), padding=(1, 1, 1, 1)).batch_norm().layer("relu").dropout(0.25).batch_norm()
    return net.flatten().dense(8).dropout(0.5).batch_norm().dense(5).dropout(0.1).done()


NORMED: dict[str, Callable[[], Tape]] = {
    build.__name__: build for build in (normed_samples, normed_batch, normed_residual, dropped, everything)
}
