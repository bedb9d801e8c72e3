"""Cross-validation of a small CNN: a training loop of one's own, all of it compiled, the folds side by side.

The images are 8x8 with one bar in noise; the network tells rows from columns from diagonals. It is a convolution
with relu and max pooling, then a dense layer. Kernels are called inside `@njit` functions, and run there on the
thread that calls them, so that the loop over the folds may be parallel.
"""

import numpy as np
from numba import njit, prange

import fastnn_kernels as fk

SIDE, FILTERS, CLASSES = 8, 6, 3
FEATURES = FILTERS * (SIDE // 2) ** 2
# Where each parameter begins in the flat vector: filters, their biases, dense weights, their biases.
FILTER_BIAS = FILTERS * 9
WEIGHT = FILTER_BIAS + FILTERS
WEIGHT_BIAS = WEIGHT + FEATURES * CLASSES
SIZE = WEIGHT_BIAS + CLASSES


def bars(n, seed, dtype=np.float32):
    """Draw `n` images (n, 1, 8, 8) and their classes: 0 a row, 1 a column, 2 a diagonal."""
    rng = np.random.default_rng(seed)
    images, labels = rng.normal(0, 0.3, (n, 1, SIDE, SIDE)), rng.integers(0, CLASSES, n)
    for image, label, place in zip(images[:, 0], labels, rng.integers(0, SIDE, n), strict=True):
        along = np.arange(SIDE)
        across = (along + place) % SIDE if label == 2 else np.full(SIDE, place)
        image[(along, across) if label else (across, along)] += 1.0
    return images.astype(dtype), labels


def first_parameters(folds, seed, dtype=np.float32):
    """Draw the first parameters of each fold: He's weights, and no biases."""
    params = np.random.default_rng(seed).normal(0, 1, (folds, SIZE))
    params[:, :FILTER_BIAS] *= np.sqrt(2 / 9)
    params[:, WEIGHT:WEIGHT_BIAS] *= np.sqrt(2 / FEATURES)
    params[:, FILTER_BIAS:WEIGHT] = params[:, WEIGHT_BIAS:] = 0
    return params.astype(dtype)


# Inlined: else its kernels would be optimised once more for the parallel loop.
@njit(inline="always")
def train(params, images, labels, fold, folds, epochs, batch, losses):
    """Train one model in place on the images that are not of its fold, and note the mean loss of each epoch."""
    kept = np.array([n for n in range(len(images)) if n % folds != fold])
    grads, m, v = np.zeros_like(params), np.zeros_like(params), np.zeros_like(params)
    w, b = params[:FILTER_BIAS].reshape((FILTERS, 1, 3, 3)), params[FILTER_BIAS:WEIGHT]
    dense_w, dense_b = params[WEIGHT:WEIGHT_BIAS].reshape((FEATURES, CLASSES)), params[WEIGHT_BIAS:]
    step = 0
    for epoch in range(epochs):
        for first in range(0, len(kept), batch):
            chosen = kept[first : first + batch]
            x, target = images[chosen], labels[chosen]
            y = fk.relu(fk.conv2d(x, w, b, padding=1))
            pooled, argmax = fk.max_pool2d(y, 2)
            features = pooled.reshape((len(x), FEATURES))
            loss, d_logits = fk.softmax_cross_entropy(fk.dense(features, dense_w, dense_b), target)

            d_features, d_dense_w, d_dense_b = fk.dense_backward(d_logits, features, dense_w)
            dy = fk.relu_backward(fk.max_pool2d_backward(d_features.reshape(pooled.shape), argmax, y.shape), y)
            dw = fk.conv2d_backward_weight(dy, x, w.shape, padding=1)
            copy(dw, grads[:FILTER_BIAS])
            for c in range(FILTERS):
                grads[FILTER_BIAS + c] = dy[:, c].sum()
            copy(d_dense_w, grads[WEIGHT:WEIGHT_BIAS])
            copy(d_dense_b, grads[WEIGHT_BIAS:])
            step += 1
            fk.adam_update(params, grads, m, v, step=step, lr=0.02)
            losses[epoch] += loss * len(x) / len(kept)


@njit
def copy(array, flat):
    for k, value in enumerate(array.flat):
        flat[k] = value


@njit(parallel=True)
def cross_validate(params, images, labels, epochs, batch):
    """Train one model for each row of `params`, all in parallel; return the losses (folds, epochs)."""
    folds = len(params)
    losses = np.zeros((folds, epochs))
    for fold in prange(folds):
        train(params[fold], images, labels, fold, folds, epochs, batch, losses[fold])
    return losses


def accuracy(params, images, labels):
    """Return the share of images told right; from Python, the kernels run on all threads by themselves."""
    w, b = params[:FILTER_BIAS].reshape(FILTERS, 1, 3, 3), params[FILTER_BIAS:WEIGHT]
    pooled, _ = fk.max_pool2d(fk.relu(fk.conv2d(images, w, b, padding=1)), 2)
    features, dense_w = pooled.reshape(len(images), -1), params[WEIGHT:WEIGHT_BIAS].reshape(FEATURES, CLASSES)
    logits = fk.dense(features, dense_w, params[WEIGHT_BIAS:])
    return (logits.argmax(axis=1) == labels).mean()


def main():
    """Print what each of five folds came to."""
    images, labels = bars(1000, seed=1)
    params = first_parameters(5, seed=2)
    losses = cross_validate(params, images, labels, 10, 32)
    for k in range(5):
        right = accuracy(params[k], images[k::5], labels[k::5])
        print(f"fold {k}: loss {losses[k, 0]:.3f} -> {losses[k, -1]:.3f}, accuracy {right:.3f}")


if __name__ == "__main__":
    main()
