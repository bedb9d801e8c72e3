"""Tapes of small nets with odd corners."""

from collections.abc import Callable
from math import prod
from typing import Any

from fastnn_kernels.tape import Tape, Value


class Net:
    """A tape under construction: each method adds a layer behind `y`, the newest value."""

    def __init__(self, *input_shape: int) -> None:
        self.tape = Tape()
        self.y: Value = self.tape.input(input_shape)

    def layer(self, op: str, x: Value | None = None, **operands: Any) -> "Net":
        self.y = self.tape.add(op, x=self.y if x is None else x, **operands)
        return self

    def _parameters(self, shape: tuple[int, ...], units: int, bias: bool, trainable: bool) -> dict[str, Any]:
        name = f"layer{len(self.tape.forward)}"
        w = self.tape.parameter(f"{name}/w", shape, trainable=trainable)
        b = self.tape.parameter(f"{name}/b", (units,), decay=False, trainable=trainable) if bias else None
        return {"name": name, "w": w, "b": b}

    def conv(self, filters, kernel_size, *, stride=(1, 1), padding=(0, 0, 0, 0), bias=True, trainable=True, **options):
        shape = (filters, self.y.shape[0] // options.get("groups", 1), *kernel_size)
        operands = self._parameters(shape, filters, bias, trainable)
        return self.layer("conv2d", **operands, stride=stride, padding=padding, **options)

    def conv_transpose(self, filters, kernel_size, *, stride=(1, 1), padding=(0, 0, 0, 0), bias=True, **options):
        shape = (self.y.shape[0], filters // options.get("groups", 1), *kernel_size)
        operands = self._parameters(shape, filters, bias, trainable=True)
        return self.layer("conv_transpose2d", **operands, stride=stride, padding=padding, **options)

    def dense(self, units, *, bias=True, trainable=True):
        operands = self._parameters((self.y.shape[0], units), units, bias, trainable)
        return self.layer("dense", **operands)

    def pool(self, kernel_size, stride, padding=(0, 0), **options):
        return self.layer("max_pool2d", kernel_size=kernel_size, stride=stride, padding=padding, **options)

    def average(self, kernel_size, stride, padding=(0, 0), **options):
        return self.layer("avg_pool2d", kernel_size=kernel_size, stride=stride, padding=padding, **options)

    def flatten(self):
        return self.reshape(prod(self.y.shape))

    def reshape(self, *shape: int):
        return self.layer("reshape", shape=shape)

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

    def done(self, loss: str = "softmax_cross_entropy", **attrs: Any) -> Tape:
        self.tape.set_loss(loss, self.y, **attrs)
        return self.tape


def lenet() -> Tape:
    net = Net(1, 28, 28)
    for filters in (6, 16):
        net.conv(filters, (5, 5)).layer("relu").pool((2, 2), (2, 2))
    return net.flatten().dense(120).layer("relu").dense(84).layer("relu").dense(10).done()


def same_padded() -> Tape:
    """'same' convolutions on maps that are not square, stride 2, fewer outputs than a vector has lanes."""
    net = Net(3, 9, 6).conv(4, (3, 3), padding=(1, 1, 1, 1)).layer("relu").pool((2, 2), (2, 2))
    net.conv(5, (3, 3), stride=(2, 2), padding=(1, 1, 1, 1), bias=False).layer("tanh")
    return net.flatten().dense(7).layer("sigmoid").dense(5).done()


def uneven() -> Tape:
    """An even kernel, other strides and padding on each side, pools that overlap, pad and leave a rest."""
    net = Net(2, 8, 11).conv(3, (2, 4), stride=(1, 2), padding=(0, 1, 1, 2)).layer("leaky_relu", negative_slope=0.1)
    net.pool((3, 3), (2, 2), (1, 1)).conv(4, (1, 1)).layer("identity").pool((2, 2), (1, 1))
    return net.flatten().dense(3).done()


def large_kernel() -> Tape:
    """Kernels larger than the maps; a softmax layer, squared errors."""
    net = Net(1, 3, 4).conv(4, (5, 5), padding=(2, 2, 2, 2)).layer("tanh")
    net.conv(3, (3, 3), stride=(2, 2), padding=(1, 1, 1, 1)).layer("sigmoid")
    return net.flatten().dense(6).layer("softmax").done("sum_squared_error")


def map_targets() -> Tape:
    """The prediction is a map: softmax and squared errors over channels and pixels."""
    net = Net(2, 4, 5).conv(3, (3, 3), padding=(1, 1, 1, 1)).layer("softmax")
    return net.done("sum_squared_error")


def residual() -> Tape:
    """Values with two and three consumers: padded convolutions, sums, and one value added to itself."""
    net = Net(2, 5, 6).conv(4, (3, 3), padding=(1, 1, 1, 1)).layer("relu")
    for _ in range(2):
        before = net.y
        net.conv(4, (3, 3), padding=(1, 1, 1, 1)).layer("tanh")
        net.layer("add", z=before).layer("relu")
    net.layer("add", z=net.y).layer("add", z=before)
    return net.flatten().dense(5).done()


def halos_of_two_widths() -> Tape:
    """Maps read by two convolutions with other paddings, the wider one first or last."""
    net = Net(2, 5, 6)
    for sizes in ((3, 5), (5, 3)):
        branches, source = [], net.y
        for k in sizes:
            net.y = source
            branches.append(net.conv(4, (k, k), padding=(k // 2,) * 4).y)
        net.layer("add", branches[0], z=branches[1]).layer("relu")
    return net.flatten().dense(5).done()


def map_behind_dense() -> Tape:
    """dense -> map -> padded convolution -> dense, with another reading of the same features."""
    net = Net(6).dense(24).layer("relu")
    features = net.y
    net.reshape(2, 3, 4).conv(4, (3, 3), padding=(1, 1, 1, 1)).layer("tanh").flatten().dense(5)
    scores = net.y
    net.y = features
    return net.dense(5).layer("add", z=scores).done()


def kinked() -> Tape:
    """Activations with a kink, on maps with a halo and on features; step, which has no gradient, on a branch."""
    net = Net(2, 5, 6).conv(4, (3, 3), padding=(1, 1, 1, 1)).layer("elu", alpha=0.7)
    before = net.y
    net.layer("step").layer("add", z=before).layer("leaky_relu", negative_slope=0.2)
    net.conv(3, (3, 3), padding=(1, 1, 1, 1)).layer("elu", alpha=1.5).flatten()
    return net.dense(5).layer("elu", alpha=0.0).dense(4).layer("identity").done()


def smooth() -> Tape:
    """Activations whose gradients read their input, on maps with a halo and on features; logarithms of softmax."""
    net = Net(2, 5, 6).conv(4, (3, 3), padding=(1, 1, 1, 1)).layer("gelu", approximate="none")
    net.conv(3, (3, 3), padding=(1, 1, 1, 1)).layer("silu").conv(3, (2, 2)).layer("softplus").layer("log_softmax")
    net.flatten().dense(7).layer("gelu", approximate="tanh").dense(4)
    return net.layer("log_softmax").done("sum_squared_error")


def padded_and_plain() -> Tape:
    """A map read by a padded convolution, by a dense layer through a reshape, and by a pool."""
    net = Net(2, 4, 6).conv(4, (3, 3), padding=(1, 1, 1, 1)).layer("relu")
    shared = net.y
    net.conv(4, (3, 3), padding=(1, 1, 1, 1)).layer("relu").flatten().dense(5)
    scores = net.y
    net.y = shared
    net.flatten().dense(5).layer("add", z=scores)
    scores = net.y
    net.y = shared
    return net.pool((2, 2), (2, 2)).flatten().dense(5).layer("add", z=scores).done()


def input_read_twice() -> Tape:
    """The images themselves are read by a padded convolution and, as features, by a dense layer."""
    net = Net(2, 4, 6)
    images = net.y
    net.conv(4, (3, 3), padding=(1, 1, 1, 1)).layer("relu").flatten().dense(5)
    scores = net.y
    net.y = images
    return net.flatten().dense(5).layer("add", z=scores).done()


def frozen() -> Tape:
    """Frozen layers in front, in the middle and behind."""
    net = Net(3, 9, 6).conv(4, (3, 3), padding=(1, 1, 1, 1), trainable=False).layer("relu").pool((2, 2), (2, 2))
    net.conv(4, (3, 3), padding=(1, 1, 1, 1)).layer("relu").flatten().dense(7, trainable=False).layer("relu")
    return net.dense(5).dense(5, trainable=False).done()


def dilated() -> Tape:
    """Gaps in the kernels, so that a kernel spans more than the map."""
    net = Net(2, 5, 6).conv(4, (3, 3), padding=(2, 2, 2, 2), dilation=(2, 2)).layer("tanh")
    net.conv(3, (2, 3), padding=(3, 3, 4, 5), dilation=(3, 5)).layer("sigmoid")
    return net.flatten().dense(5).done()


def channel_groups() -> Tape:
    """Groups with several channels and filters each; the second convolution regroups the first one's."""
    net = Net(6, 5, 6).conv(8, (3, 3), padding=(1, 1, 1, 1), groups=2).layer("relu")
    return net.conv(8, (3, 3), padding=(1, 1, 1, 1), groups=2).layer("tanh").flatten().dense(5).done()


def depthwise() -> Tape:
    """One filter or two for each channel alone, then pointwise convolutions that mix the channels."""
    net = Net(2, 6, 3).conv(4, (3, 3), padding=(1, 1, 1, 1), groups=2, bias=False).layer("relu").conv(3, (1, 1))
    net.conv(3, (3, 3), padding=(0, 1, 1, 1), groups=3).layer("tanh").conv(4, (1, 1))
    return net.flatten().dense(5).done()


def stride_and_dilation() -> Tape:
    """Stride and dilation with and without a common divisor, padding of its own on each side."""
    net = Net(2, 9, 11).conv(4, (3, 3), stride=(2, 3), padding=(2, 0, 1, 1), dilation=(1, 2)).layer("tanh")
    net.conv(4, (3, 3), stride=(2, 2), padding=(3, 4, 4, 5), dilation=(2, 3), groups=2).layer("tanh")
    return net.conv(3, (2, 3), stride=(3, 2), padding=(1, 2, 4, 4), dilation=(3, 4)).flatten().dense(5).done()


def transposed() -> Tape:
    """Down and up again: transposed convolutions with stride, dilation, groups and sizes that stride alone lacks."""
    net = Net(2, 6, 6).conv(4, (3, 3), stride=(2, 2), padding=(1, 1, 1, 1)).layer("tanh")
    net.conv_transpose(4, (3, 3), stride=(2, 2), padding=(1, 1, 1, 1), output_padding=(1, 1)).layer("sigmoid")
    net.conv_transpose(4, (2, 3), stride=(1, 2), padding=(0, 1, 6, 5), dilation=(2, 3), groups=2, bias=False)
    return net.layer("tanh").conv_transpose(3, (2, 3), dilation=(3, 1), output_padding=(2, 0)).done("sum_squared_error")


def pools() -> Tape:
    """Windows that hang over the edges, leave gaps, overlap and share pixels; maps with halos between them."""
    net = Net(2, 9, 12).conv(4, (3, 3), padding=(1, 1, 1, 1)).layer("relu")
    net.pool((2, 3), (2, 1), (1, 0, 0, 1), dilation=(2, 1), ceil_mode=True)
    net.average((3, 3), (1, 2), (0, 1, 1, 0), ceil_mode=True, count_include_pad=False).conv(3, (1, 1))
    return net.layer("adaptive_avg_pool2d", output_size=(2, 4)).layer("tanh").flatten().dense(5).done()


def averages() -> Tape:
    """Windows that tile the map, and a sum over what is left of it; the padding counts."""
    net = Net(2, 8, 8).conv(4, (3, 3), padding=(1, 1, 1, 1)).layer("tanh").average((2, 2), (2, 2))
    net.conv(5, (3, 3), padding=(1, 1, 1, 1)).average((3, 2), (3, 2), (1, 1), ceil_mode=True)
    return net.layer("global_avg_pool2d").dense(5).done()


def two_features() -> Tape:
    """Everything smaller than a vector; one output is a single number."""
    return Net(2).dense(3).layer("tanh").dense(1).done("sum_squared_error")


def grouped() -> Tape:
    """All four axes: a dense layer whose weights are too large to be read once a lane block."""
    net = Net(1, 20, 20).conv(5, (3, 3), padding=(1, 1, 1, 1)).layer("relu")
    return net.flatten().dense(128).layer("relu").dense(10).done()


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


# Nets that compute otherwise in training than at inference.
STATEFUL: dict[str, Callable[[], Tape]] = {
    build.__name__: build for build in (normed_batch, normed_residual, dropped, everything)
}

def branches() -> Tape:
    """Maps with and without a halo behind one another, the images among them, one map twice, and features."""
    net = Net(2, 5, 6)
    images = net.y
    net.conv(3, (3, 3), padding=(1, 1, 1, 1), trainable=False).layer("relu")
    frozen = net.y
    net.layer("concat", frozen, z=images).conv(4, (3, 3), padding=(1, 1, 1, 1)).layer("tanh")
    narrow = net.y
    net.layer("concat", narrow, z=narrow).layer("concat", z=frozen).conv(3, (5, 5), padding=(2, 2, 2, 2))
    net.layer("relu").flatten().dense(7)
    features = net.y
    net.layer("global_avg_pool2d", narrow)
    return net.layer("concat", net.y, z=features).dense(5).done()


def huber_map() -> Tape:
    """The prediction is a map, each of its elements a loss."""
    return Net(2, 4, 5).conv(3, (3, 3), padding=(1, 1, 1, 1)).done("huber", delta=0.7)


def squares() -> Tape:
    return Net(4).dense(7).layer("tanh").dense(35).done("mean_squared_error")


def switches() -> Tape:
    """Any number of classes at once."""
    return Net(4).dense(3).done("binary_cross_entropy_with_logits")


def probabilities() -> Tape:
    """The textbook's way to classify: a softmax layer, then the cross-entropy of its probabilities."""
    return Net(4).dense(7).layer("softmax").done("categorical_cross_entropy")


def smoothed() -> Tape:
    return Net(4).dense(7).done(label_smoothing=0.2)


def weighted() -> Tape:
    """Classes with weights, one of them 0, and samples that are left out: not the mean over the samples."""
    weights = (0.5, 2.0, 0.0, 1.5, 1.0)
    return Net(4).dense(5).layer("tanh").dense(5).done(class_weight=weights, ignore_index=3, label_smoothing=0.1)


SMALL: dict[str, Callable[[], Tape]] = {
    build.__name__: build
    for build in (
        same_padded,
        uneven,
        large_kernel,
        map_targets,
        residual,
        halos_of_two_widths,
        map_behind_dense,
        padded_and_plain,
        kinked,
        smooth,
        input_read_twice,
        frozen,
        two_features,
        huber_map,
        squares,
        switches,
        probabilities,
        smoothed,
        dilated,
        channel_groups,
        depthwise,
        stride_and_dilation,
        transposed,
        pools,
        averages,
        normed_samples,
        branches,
    )
}
ALL = {**SMALL, "lenet": lenet, "grouped": grouped, "weighted": weighted}
