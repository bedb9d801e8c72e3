"""Public kernels called from somebody's own compiled functions; run as a script, in a prange and from two threads."""

import threading

import numba
import numpy as np

import fastnn_kernels as fk

X = np.random.default_rng(3).standard_normal((5, 3, 7, 6))
W = np.random.default_rng(4).standard_normal((4, 3, 3, 2))
B = np.random.default_rng(5).standard_normal(4)
Y = fk.reference.conv2d(X, W, B, stride=(2, 1), padding=((1, 0), (1, 1)))
D = np.random.default_rng(6).standard_normal((5, 4))
LABELS = np.array([0, 3, 1, 2, 3])


@numba.njit
def windows(x, w, b, y):
    cols = fk.im2col(x, (3, 2), stride=(2, 1), padding=1)
    back = fk.col2im(cols, x.shape, (3, 2), stride=(2, 1), padding=1)
    conv = fk.conv2d(x, w, b, stride=(2, 1), padding=((1, 0), (1, 1)))
    same = fk.conv2d(x, w, padding="same")
    dx = fk.conv2d_backward_input(y, w, x.shape, stride=(2, 1), padding=((1, 0), (1, 1)))
    dw = fk.conv2d_backward_weight(y, x, w.shape, stride=(2, 1), padding=((1, 0), (1, 1)))
    all_three = fk.conv2d_backward(y, x, w, stride=(2, 1), padding=((1, 0), (1, 1)))
    pooled, argmax = fk.max_pool2d(x, 3, stride=2, padding=1)
    return cols, back, conv, same, dx, dw, *all_three, pooled, argmax, fk.max_pool2d_backward(pooled, argmax, x.shape)


@numba.njit
def elements(x, d, labels):
    s, t, r, k = fk.sigmoid(d), fk.tanh(d), fk.relu(d), fk.leaky_relu(d, negative_slope=0.2)
    p, i = fk.softmax(d), fk.identity(d)
    gradients = (
        fk.sigmoid_backward(d, s),
        fk.tanh_backward(d, t),
        fk.relu_backward(d, r),
        fk.leaky_relu_backward(d, k, negative_slope=0.2),
        fk.softmax_backward(d, p),
        fk.identity_backward(d, i),
    )
    loss, d_loss = fk.softmax_cross_entropy(d, labels)
    soft, d_soft = fk.softmax_cross_entropy(d, p, reduction="sum")
    squared, d_squared = fk.sum_squared_error(d, s)
    y = fk.dense(d, x[0, 0, :4, :3])
    dx, dw, db = fk.dense_backward(y, d, x[0, 0, :4, :3])
    return s, t, r, k, p, i, *gradients, loss, d_loss, soft, d_soft, squared, d_squared, y, dx, dw, db


@numba.njit
def updates(p, g):
    v, m, s = np.zeros_like(p), np.zeros_like(p), np.zeros_like(p)
    fk.sgd_update(p, g, lr=0.1)
    fk.momentum_update(p, g, v, lr=0.1, momentum=0.8)
    fk.adam_update(p, g, m, s, step=1, lr=0.1, weight_decay=0.01)
    return p, v, m, s


@numba.njit(parallel=True, cache=True)
def many(x, w, b, d, rounds):
    """Kernels inside somebody's parallel loop."""
    sums = np.zeros(rounds)
    for i in numba.prange(rounds):
        y = fk.relu(fk.conv2d(x, w, b, padding=1))
        pooled, _ = fk.max_pool2d(y, 2)
        sums[i] = pooled.sum() + fk.softmax(d).sum() + fk.dense(d, w[0, 0, :1].repeat(4).reshape(4, 2)).sum()
    return sums


def main() -> None:
    """Print the threading layer, and whether every way of calling gave the same."""
    alone = many(X, W, B, D, 1)[0]
    same = bool((many(X, W, B, D, 8) == alone).all())
    found: list[np.ndarray] = []
    # The same from two Python threads at once; kernels called from Python join in.
    workers = [threading.Thread(target=lambda: found.append(fk.conv2d(X, W, B, padding=1))) for _ in range(2)]
    if numba.threading_layer() != "workqueue":  # somebody's own parallel function is not safe there, whatever it calls
        workers += [threading.Thread(target=lambda: found.append(many(X, W, B, D, 8))) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    expected = fk.conv2d(X, W, B, padding=1)
    same = same and all(np.array_equal(f, expected) if f.ndim == 4 else (f == alone).all() for f in found)
    print(numba.threading_layer(), "same" if same and len(found) == len(workers) else "different")


if __name__ == "__main__":
    main()
