"""Preprocessing: hand values, whole statistics by NumPy, invertibility, dtypes, memory maps, refusals."""

import numpy as np
import pytest

from fastnn.preprocessing import Decorrelate, Normalize, Standardize, Whiten, base

ALL = {
    "normalize": Normalize,
    "normalize to a range": lambda: Normalize((-1, 3)),
    "standardize": Standardize,
    "decorrelate": Decorrelate,
    "whiten pca": Whiten,
    "whiten zca": lambda: Whiten("zca"),
}
every = pytest.mark.parametrize("name", ALL)


def samples(n=40, features=5, *, seed=0, dtype=np.float64):
    """Correlated features, of unlike size and far from 0."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, features)) @ rng.standard_normal((features, features))
    return (x * 10.0 ** np.arange(features) + 100).astype(dtype)


def images(n=12, *, seed=0, dtype=np.float64):
    return (np.random.default_rng(seed).standard_normal((n, 3, 4, 5)) * 3 + 7).astype(dtype)


def test_hand_values():
    x = np.array([[0.0, 5.0], [1.0, 5.0], [4.0, 5.0], [3.0, 5.0]])
    np.testing.assert_array_equal(Normalize().fit_transform(x), [[0, 0], [0.25, 0], [1, 0], [0.75, 0]])
    np.testing.assert_array_equal(Normalize((-2, 2)).fit_transform(x)[:, 0], [-2, -1, 2, 1])
    np.testing.assert_allclose(Standardize().fit_transform(x)[:, 0], np.array([-2, -1, 2, 1]) / np.sqrt(2.5))
    np.testing.assert_array_equal(Standardize().fit_transform(x)[:, 1], 0)
    scaler = Normalize().fit(x)
    np.testing.assert_array_equal(scaler.transform([[8, 6]]), [[2, 1]])
    # On the line y = 2x + 1 all variance lies along (1, 2) / sqrt(5).
    line = np.array([[-1.0, -1.0], [0.0, 1.0], [1.0, 3.0]])
    pca = Decorrelate().fit(line)
    np.testing.assert_allclose(pca.components_[0], np.array([1, 2]) / np.sqrt(5))
    np.testing.assert_allclose(pca.explained_variance_, [10 / 3, 0], atol=1e-15)
    np.testing.assert_allclose(pca.transform(line), [[-np.sqrt(5), 0], [0, 0], [np.sqrt(5), 0]], atol=1e-15)


def test_statistics_are_those_of_the_features():
    x = samples()
    scaler = Standardize().fit(x)
    np.testing.assert_allclose(scaler.mean_, x.mean(axis=0))
    np.testing.assert_allclose(scaler.scale_, x.std(axis=0))
    y = scaler.transform(x)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(axis=0), 1)
    z = Normalize().fit_transform(x)
    np.testing.assert_array_equal((z.min(axis=0), z.max(axis=0)), ([0] * 5, [1] * 5))


@pytest.mark.parametrize("axis", [1, -3, (1, 2, 3), (2, 3), None])
def test_axis(axis):
    x = images()
    axes = () if axis is None else axis if isinstance(axis, tuple) else (axis % 4,)
    over = tuple(k for k in range(4) if k not in axes)
    scaler, ranger = Standardize(axis=axis).fit(x), Normalize(axis=axis).fit(x)
    np.testing.assert_allclose(scaler.mean_, x.mean(axis=over, keepdims=True)[0])
    np.testing.assert_allclose(scaler.scale_, x.std(axis=over, keepdims=True)[0])
    np.testing.assert_array_equal(ranger.max_, x.max(axis=over, keepdims=True)[0])
    expected = (x - x.mean(axis=over, keepdims=True)) / x.std(axis=over, keepdims=True)
    np.testing.assert_allclose(scaler.transform(x), expected, atol=1e-12)


def test_channels_take_images_of_another_size():
    scaler = Standardize().fit(images())
    assert scaler.transform(images()[:, :, :2, :3]).shape == (12, 3, 2, 3)


def test_decorrelate_and_whiten():
    x = samples()
    centred = x - x.mean(axis=0)
    y = Decorrelate().fit_transform(x)
    variances = (y**2).mean(axis=0)
    np.testing.assert_allclose(y.T @ y / len(x), np.diag(variances), atol=1e-9 * variances[0])
    assert (np.diff(variances) < 0).all()
    components = Decorrelate().fit(x).components_
    np.testing.assert_allclose(components @ components.T, np.eye(5), atol=1e-12)
    assert (components.max(axis=1) == np.abs(components).max(axis=1)).all()  # whatever signs LAPACK returns
    np.testing.assert_allclose((y**2).sum(axis=1), (centred**2).sum(axis=1))  # a rotation keeps lengths
    pca, zca = Whiten().fit(x), Whiten("zca").fit(x)
    for whitened in (pca.transform(x), zca.transform(x)):
        np.testing.assert_allclose(whitened.T @ whitened / len(x), np.eye(5), atol=1e-8)
    np.testing.assert_allclose(pca.transform(x), y / np.sqrt(variances), rtol=1e-6, atol=1e-8)
    # ZCA is the whitening with a symmetric matrix.
    w = zca.transform(np.eye(5) + zca.mean_)
    np.testing.assert_allclose(w, w.T, atol=1e-10)
    assert (np.linalg.eigvalsh(w) > 0).all()


def test_the_floor_of_the_eigenvalues():
    x = np.random.default_rng(1).standard_normal((500, 2)) * [3.0, 0.1]
    w = Whiten(eps=0.25).fit(x)
    y = w.transform(x)
    np.testing.assert_allclose(y.std(axis=0), [1, np.sqrt(w.explained_variance_[1]) / 0.5])
    np.testing.assert_allclose(w.inverse_transform(y), x)
    # Fewer samples than features, and a constant one: directions without variance stay 0.
    flat = np.concatenate([samples(3), np.full((3, 1), 0.1)], axis=1)
    for method in ("pca", "zca"):
        assert np.abs(Whiten(method).fit_transform(flat)).max() < 2


def test_fewer_components():
    x = samples()
    pca = Decorrelate(2).fit(x)
    y = pca.transform(x)
    np.testing.assert_allclose(y, Decorrelate().fit_transform(x)[:, :2])
    lost = ((pca.inverse_transform(y) - x) ** 2).sum(axis=1).mean()
    np.testing.assert_allclose(lost, Decorrelate().fit(x).explained_variance_[2:].sum(), rtol=1e-6)
    assert pca.components_.shape == (2, 5) and pca.explained_variance_.shape == (2,)


@every
@pytest.mark.parametrize("make", [samples, images])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_inverse_transform_turns_back(name, make, dtype):
    x = make(dtype=dtype)
    before = x.copy()
    tool = ALL[name]().fit(x)
    y = tool.transform(x)
    back = tool.inverse_transform(y)
    assert (y.dtype, back.dtype, back.shape) == (dtype, dtype, x.shape)
    rotated = name in ("decorrelate", "whiten pca")
    assert y.shape == ((len(x), x[0].size) if rotated else x.shape)
    np.testing.assert_allclose(back, x, rtol=1e-10 if dtype == np.float64 else 2e-3)
    np.testing.assert_array_equal(x, before)


@every
@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(bool, np.float32), (np.uint8, np.float32), (np.int16, np.float32), (np.float16, np.float32),
     (np.int32, np.float64), (np.int64, np.float64), (">f4", np.float32)],
)  # fmt: skip
def test_other_numbers_are_cast_first(name, dtype, expected):
    x = np.random.default_rng(0).integers(0, 2 if dtype is bool else 120, (20, 4)).astype(dtype)
    y = ALL[name]().fit_transform(x)
    assert y.dtype == expected and y.dtype.isnative
    np.testing.assert_allclose(y, ALL[name]().fit_transform(x.astype(np.float64)), rtol=1e-5, atol=1e-6)


def test_differences_of_bytes_do_not_wrap():
    x = np.array([[250], [0], [125]], np.uint8)
    np.testing.assert_array_equal(Normalize().fit_transform(x), [[1], [0], [0.5]])
    x = np.array([[-128], [127]], np.int8)
    np.testing.assert_array_equal(Standardize().fit_transform(x), [[-1], [1]])


@every
def test_a_constant_feature_has_scale_one(name):
    x = np.stack([np.full(7, 0.1), np.arange(7.0)], axis=1)  # 0.1 seven times has a mean that is not 0.1
    tool = ALL[name]().fit(x)
    y = tool.transform(x)
    assert np.isfinite(y).all()
    np.testing.assert_allclose(tool.inverse_transform(y), x, atol=1e-14)
    if name in ("normalize", "standardize"):
        np.testing.assert_array_equal(y[:, 0], 0)
        np.testing.assert_allclose(tool.transform([[1.1, 0]])[0, 0], 1)


def test_a_small_spread_is_a_spread():
    x = np.array([[0.0], [1e-30]])
    np.testing.assert_array_equal(Normalize().fit_transform(x), [[0], [1]])
    np.testing.assert_allclose(Standardize().fit_transform(x), [[-1], [1]])


def test_float32_is_summed_in_float64():
    x = np.full((2**21, 1), 0.1, np.float32)
    x[::2] = 4096.1
    scaler = Standardize().fit(x)
    np.testing.assert_allclose(scaler.mean_, x.astype(np.float64).mean(axis=0), rtol=1e-13)
    np.testing.assert_allclose(scaler.scale_, x.astype(np.float64).std(axis=0), rtol=1e-12)


def test_a_spread_that_is_small_beside_the_mean():
    x = 1e9 + np.arange(1000.0)[:, None] * 1e-3
    np.testing.assert_allclose(Standardize().fit(x).scale_, np.std(np.arange(1000.0) * 1e-3), rtol=1e-4)


@every
def test_slices_give_what_one_piece_gives(name, monkeypatch):
    x = samples(50)
    whole = ALL[name]().fit(x)
    expected = whole.transform(x)
    monkeypatch.setattr(base, "SLICE", 35)  # seven samples
    sliced = ALL[name]().fit(x)
    np.testing.assert_allclose(sliced.transform(x), expected, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(sliced.inverse_transform(expected), x, rtol=1e-8)
    x[30] = np.nan
    with pytest.raises(ValueError, match=r"x\[30\] has NaN or infinity"):
        sliced.transform(x)


@every
def test_memory_maps_and_views(name, tmp_path, monkeypatch):
    x = images(8, dtype=np.float32)
    expected = ALL[name]().fit_transform(x)
    np.save(tmp_path / "x.npy", x)
    monkeypatch.setattr(base, "SLICE", 120)  # two images
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    tolerance = {"rtol": 1e-4, "atol": 1e-4}
    np.testing.assert_allclose(ALL[name]().fit_transform(mapped), expected, **tolerance)
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(ALL[name]().fit_transform(last), expected, **tolerance)


@every
def test_a_failing_fit_leaves_what_was_fitted(name):
    x = samples()
    tool = ALL[name]().fit(x)
    before = tool.transform(x)
    bad = x.copy()
    bad[7, 2] = np.nan
    bad[9, 2] = np.inf
    with pytest.raises(ValueError, match=r"\.fit: x\[7\] has NaN or infinity"):
        tool.fit(bad)
    with pytest.raises(ValueError, match=r"\.transform: x\[7\] has NaN or infinity"):
        tool.transform(bad)
    np.testing.assert_array_equal(tool.transform(x), before)


@every
@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_nothing_fitted(name, method):
    with pytest.raises(RuntimeError, match=rf"\.{method}: nothing is fitted yet: call fit\(x\)"):
        getattr(ALL[name](), method)(samples())


@every
@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.zeros(3), ValueError, r"fit: x has shape \(3,\), \(N, features\) or"),
        (np.zeros((0, 3)), ValueError, "fit: x has no samples"),
        (np.zeros((3, 0)), ValueError, "fit: x has no features"),
        (np.zeros((3, 2), complex), TypeError, "fit: x has dtype complex128"),
        ([["a"]], TypeError, "fit: x has dtype <U1"),
    ],
)
def test_what_fit_refuses(name, x, error, message):
    with pytest.raises(error, match=message):
        ALL[name]().fit(x)


@every
@pytest.mark.parametrize("shape", [(40, 4), (40, 5, 1), (5,)])
def test_samples_of_another_shape(name, shape):
    tool = ALL[name]().fit(samples())
    for method, argument in (("transform", "x"), ("inverse_transform", "y")):
        with pytest.raises(ValueError, match=rf"\.{method}: {argument} has shape .*, \(N, 5\) is needed"):
            getattr(tool, method)(np.zeros(shape))


def test_images_that_were_rotated():
    x = images()
    for tool in (Decorrelate(), Whiten("zca")):
        with pytest.raises(ValueError, match=r"transform: x .*\(N, 3, 4, 5\) is needed"):
            tool.fit(x).transform(x.reshape(12, 60))
    with pytest.raises(ValueError, match=r"inverse_transform: y .*\(N, 60\) is needed"):
        Whiten().fit(x).inverse_transform(x)
    with pytest.raises(ValueError, match=r"Standardize.transform: x .*\(N, 3, any, any\) is needed"):
        Standardize().fit(x).transform(x[:, :2])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Normalize((1, 1)), ValueError, r"Normalize: feature_range is \(1, 1\), low < high"),
        (lambda: Normalize(2), TypeError, "Normalize: feature_range is 2"),
        (lambda: Normalize((0, np.inf)), ValueError, "Normalize: feature_range is inf"),
        (lambda: Standardize(axis=0), ValueError, "Standardize: axis is 0, but axis 0 counts the samples"),
        (lambda: Standardize(axis=1.0), TypeError, "Standardize: axis is 1.0"),
        (lambda: Standardize(axis=2).fit(samples()), ValueError, r"fit: axis is 2, but x has shape \(40, 5\)"),
        (lambda: Standardize(axis=-2).fit(samples()), ValueError, "fit: axis is -2, but"),
        (lambda: Decorrelate(0), ValueError, "Decorrelate: n_components is 0"),
        (lambda: Decorrelate(6).fit(samples()), ValueError, "fit: n_components is 6, x has 5 features"),
        (lambda: Whiten("PCA"), ValueError, "Whiten: method is 'PCA', needed is one of 'pca', 'zca'"),
        (lambda: Whiten(eps=0), ValueError, "Whiten: eps is 0"),
        (lambda: Whiten(eps=-1), ValueError, "Whiten: eps is -1"),
    ],
)
def test_wrong_options(call, error, message):
    with pytest.raises(error, match=message):
        call()
