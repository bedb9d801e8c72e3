"""search: which trials there are, what they find, the table, the file, Ctrl-C, failing trials."""

import json
import math

import numpy as np
import pytest
from model_helpers import assert_same

import fastnn as fn
from fastnn.tuning import Integers, LogUniform, Uniform
from fastnn.tuning.distributions import choose

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4))
Y = X.argmax(axis=1)
SPACE = {"units": [1, 12], "lr": [1e-4, 0.3]}


class Build:
    """Builds models, and remembers with what."""

    def __init__(self, **fails):
        self.calls, self.fails = [], fails

    def __call__(self, units=6, lr=0.1, metrics=("accuracy",)):
        self.calls.append((units, lr))
        error = self.fails.get(f"call_{len(self.calls)}")
        if error is not None:
            raise error
        layers = [fn.Dense(units, activation="tanh"), fn.Dense(4)]
        model = fn.Sequential(layers, input_shape=(4,), dtype=np.float64)
        model.backend = "reference"
        model.compile(fn.SGD(lr, momentum=0.9), "softmax_cross_entropy", list(metrics))
        return model


def found(build=None, space=SPACE, **options):
    return fn.search(build or Build(), space, X, Y, **({"epochs": 6, "verbose": 0, "method": "grid"} | options))


def test_grid():
    build = Build()
    result = found(build)
    assert build.calls == [(1, 1e-4), (1, 0.3), (12, 1e-4), (12, 0.3)]
    assert [trial.params for trial in result.trials] == [
        {"units": units, "lr": lr} for units, lr in build.calls
    ]
    assert [trial.number for trial in result.trials] == [0, 1, 2, 3]
    assert result.monitor == "val_accuracy" and result.large_is_good
    assert result.best_params == {"units": 12, "lr": 0.3}
    assert result.best_value == max(trial.value for trial in result.trials) > 0.7
    assert result.best is result.sorted[0]
    values = [trial.value for trial in result.sorted]
    assert values == sorted(values, reverse=True)
    # The value is that of the model returned, on the last fifth of the data.
    measured = result.best_model.evaluate(X[48:], Y[48:])
    assert result.best.metrics == {f"val_{name}": value for name, value in measured.items()}


def test_a_trial_is_what_fit_does():
    result = found(space={"lr": [0.1], "batch_size": [7], "epochs": [3]}, validation_data=(X[:5], Y[:5]))
    model = Build()(lr=0.1)
    model.fit(X, Y, epochs=3, batch_size=7, verbose=0)
    assert_same(result.best_model.params, model.params)
    assert result.best_value == model.evaluate(X[:5], Y[:5])["accuracy"]


def test_options_of_fit():
    stopping = fn.EarlyStopping(monitor="val_loss", patience=1)
    result = found(space={"lr": [3.0]}, epochs=9, fit_options={"callbacks": [stopping], "shuffle": False})
    model = result.best_model
    assert len(model.history["loss"]) < 9
    assert result.best.metrics["val_loss"] == min(model.history["val_loss"])  # the weights put back


def test_what_is_compared():
    result = found(monitor="val_loss")
    assert result.best_value == min(trial.metrics["val_loss"] for trial in result.trials)
    worst = found(monitor="val_loss", mode="max")
    assert worst.best_value == max(trial.value for trial in result.trials)
    assert found(lambda lr: Build()(lr=lr, metrics=[]), {"lr": [0.1]}).monitor == "val_loss"
    with pytest.raises(ValueError, match="monitor is 'val_f1', measured are val_loss, val_accuracy"):
        found(monitor="val_f1")


def test_random_trials_of_lists_are_all_different():
    space = {"a": [1, 2, 3], "b": ["x", "y"]}
    chosen = choose(space, "random", 6, 0)
    assert {(c["a"], c["b"]) for c in chosen} == {(a, b) for a in (1, 2, 3) for b in "xy"}
    assert len(choose(space, "random", 50, 0)) == 6
    assert choose(space, "random", 4, 0) == chosen[:4]
    assert choose(space, "random", 6, 1) != chosen
    wide = choose({str(k): list(range(100)) for k in range(20)}, "random", 5, 0)
    assert len({tuple(c.values()) for c in wide}) == 5


def test_random_trials_of_distributions():
    space = {"lr": LogUniform(1e-4, 1e-1), "units": Integers(3, 5), "rate": Uniform(-1, 2), "name": ["x", "y"]}
    chosen = choose(space, "random", 400, 0)
    assert choose(space, "random", 3, 0) == chosen[:3]
    assert {c["units"] for c in chosen} == {3, 4, 5} and {c["name"] for c in chosen} == {"x", "y"}
    rates = np.array([c["rate"] for c in chosen])
    assert rates.min() >= -1 and rates.max() <= 2 and abs(rates.mean() - 0.5) < 0.15
    orders = np.log10([c["lr"] for c in chosen])
    assert orders.min() >= -4 and orders.max() <= -1 and abs(orders.mean() + 2.5) < 0.15
    assert {type(c["units"]) for c in chosen} == {int} and {type(c["lr"]) for c in chosen} == {float}
    assert len(choose(space, "random", None, 0)) == 10


def test_the_table(capsys):
    result = found(Build(call_2=ValueError("too wide")), verbose=1)
    lines = str(result).splitlines()
    assert lines[0].split() == ["trial", "val_accuracy", "units", "lr", "seconds"]
    best = result.best
    assert lines[2].split()[:4] == [str(best.number), f"{best.value:.4g}", "12", "0.3"]
    assert lines[5].split()[:4] == ["1", "failed", "1", "0.3"]
    assert lines[6] == "trial 1 failed: ValueError: too wide"
    assert len({len(line) for line in lines[:6]}) == 1
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 4
    assert printed[1].startswith("trial 2/4  failed  units 1  lr 0.3")
    assert printed[3].startswith(f"trial 4/4  val_accuracy {best.value:.4g}  units 12  lr 0.3")


def test_failing_trials():
    result = found(Build(call_1=ValueError("first"), call_4=TypeError("last")))
    assert [trial.error for trial in result.trials] == ["ValueError: first", None, None, "TypeError: last"]
    assert math.isnan(result.trials[0].value)
    assert result.best.number in (1, 2)
    with pytest.raises(ValueError, match="first"):
        found(Build(call_1=ValueError("first")), on_error="raise")
    with pytest.raises(RuntimeError, match=r"all 4 trials failed; trial 0: TypeError: .*unexpected keyword"):
        found(space={"unit": [1, 2], "lr": [1, 2]})
    with pytest.raises(RuntimeError, match="build returned NoneType, a compiled Sequential is needed"):
        found(lambda units: None, {"units": [1]})


def test_a_trial_that_diverges_is_the_worst():
    with np.errstate(all="ignore"):
        result = found(space={"lr": [1e308, 0.1]}, monitor="val_loss")
    assert math.isnan(result.trials[0].value) and result.trials[0].error is None
    assert result.best.number == 1


def test_ctrl_c_keeps_what_is_done(tmp_path):
    path = tmp_path / "search.json"
    result = found(Build(call_3=KeyboardInterrupt()), path=path)
    assert result.interrupted and [trial.number for trial in result.trials] == [0, 1]
    build = Build()
    whole = found(build, path=path)
    assert build.calls == [(12, 1e-4), (12, 0.3)]  # the first two come from the file
    assert not whole.interrupted
    expected = found()
    for trial, other in zip(whole.trials, expected.trials, strict=True):
        assert (trial.number, trial.params, trial.value) == (other.number, other.params, other.value)
    assert_same(whole.best_model.params, expected.best_model.params)
    with pytest.raises(KeyboardInterrupt):
        found(Build(call_1=KeyboardInterrupt()))


def test_a_finished_search_is_read_from_its_file(tmp_path):
    path = tmp_path / "search.json"
    first = found(path=path)
    build = Build()
    again = found(build, path=path)
    assert build.calls == []
    assert again.trials == first.trials
    assert (again.monitor, again.large_is_good) == ("val_accuracy", True)
    assert_same(again.best_model.params, first.best_model.params)
    again.best_model.backend = "reference"
    assert again.best_model.evaluate(X[48:], Y[48:])["accuracy"] == first.best_value
    # More trials of a random search go on where it ended.
    path = tmp_path / "random.json"
    found(path=path, method="random", trials=2)
    build = Build()
    assert len(found(build, path=path, method="random", trials=3).trials) == 3
    assert len(build.calls) == 1


def test_what_the_file_holds_after_each_trial(tmp_path):
    path = tmp_path / "search.json"
    seen = []

    def build(**params):
        seen.append(len(json.loads(path.read_text())["trials"]) if path.exists() else 0)
        return Build()(**params)

    found(build, path=path)
    assert seen == [0, 1, 2, 3]
    content = json.loads(path.read_text())
    assert content["search"]["space"] == SPACE and content["search"]["epochs"] == 6
    assert content["trials"][3]["params"] == {"units": 12, "lr": 0.3}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["search.fastnn", "search.json"]


def test_failed_and_diverged_trials_in_the_file(tmp_path):
    path = tmp_path / "search.json"
    space = {"lr": [1e308, 0.1, 0.2]}
    with np.errstate(all="ignore"):
        found(Build(call_2=ValueError("once")), space, path=path, monitor="val_loss")
        build = Build()
        result = found(build, space, path=path, monitor="val_loss")
    assert build.calls == [(6, 0.1)]  # what failed is run again, what has diverged is not
    assert math.isnan(result.trials[0].value) and math.isnan(result.trials[0].metrics["val_loss"])
    assert [trial.error for trial in result.trials] == [None] * 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"space": {"units": [1, 12], "lr": [1e-4, 0.4]}}, "another search: its space is"),
        ({"epochs": 7}, "another search: its epochs is 6, not 7"),
        ({"seed": 1}, "another search: its seed is 0, not 1"),
        ({"method": "random"}, "another search: its method is 'grid', not 'random'"),
        ({"monitor": "val_loss"}, "another search: its monitor is None"),
    ],
)
def test_the_file_of_another_search(options, message, tmp_path):
    path = tmp_path / "search.json"
    found(path=path, trials=1)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=message):
        found(path=path, **options)
    assert path.read_bytes() == before


@pytest.mark.parametrize("text", ["", "[]", "{", '{"search": {}, "trials": [{"number": 1}]}', '{"search": 1}'])
def test_a_file_that_is_none_of_a_search(text, tmp_path):
    path = tmp_path / "search.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"search.json is no file of a search"):
        found(path=path)
    assert path.read_text() == text


def test_numbers_of_numpy_and_distributions_in_the_file(tmp_path):
    path = tmp_path / "search.json"
    space = {"units": list(np.array([2, 3])), "lr": LogUniform(0.01, 1)}
    first = found(space=space, path=path, method="random", trials=2)
    again = found(Build(call_1=AssertionError()), space, path=path, method="random", trials=2)
    assert again.trials == first.trials
    assert {type(trial.params["units"]) for trial in first.trials} == {int}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"space": [1]}, TypeError, "space is a list, a dict is needed"),
        ({"space": {}}, ValueError, "space is empty"),
        ({"space": {1: [2]}}, TypeError, "space has the name 1"),
        ({"space": {"lr": 0.1}}, TypeError, r"space\['lr'\] is 0.1, a list of values or a distribution"),
        ({"space": {"lr": []}}, ValueError, r"space\['lr'\] is empty"),
        ({"space": {"lr": Uniform(0, 1)}}, ValueError, r"method is \"grid\", but space\['lr'\] has no list"),
        ({"method": "bayes"}, ValueError, "method is 'bayes'"),
        ({"trials": 0}, ValueError, "trials is 0"),
        ({"mode": "best"}, ValueError, "mode is 'best'"),
        ({"seed": -1}, ValueError, "seed is -1"),
        ({"on_error": "ignore"}, ValueError, "on_error is 'ignore'"),
        ({"build": 3}, TypeError, "build is a int, a function is needed"),
        ({"validation_split": 0.001}, ValueError, "validation_split is 0.001: of 60 samples that is none"),
        ({"validation_data": X}, TypeError, "validation_data is no pair"),
        ({"fit_options": 3}, TypeError, "fit_options is a int, a dict is needed"),
        ({"path": 3}, TypeError, "path is 3"),
        ({"fit_options": {"verbose": 1}}, ValueError, "fit_options has 'verbose'"),
        ({"path": "x.fastnn"}, ValueError, "path is x.fastnn, another suffix is needed"),
        ({"path": "x.json", "space": {"lr": [(1, 2)]}}, TypeError, r"space\['lr'\] has \(1, 2\): with path="),
        ({"path": "no/such/folder/x.json"}, FileNotFoundError, "no/such/folder"),
    ],
)
def test_what_is_refused(options, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    build = Build()
    with pytest.raises(error, match=message):
        found(**{"build": build} | options)
    assert build.calls == [] and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Uniform(1, 1), ValueError, "Uniform: low < high is needed, given are 1 and 1"),
        (lambda: LogUniform(0, 1), ValueError, "LogUniform: low is 0"),
        (lambda: Integers(1, 2.5), TypeError, "Integers: high is 2.5"),
        (lambda: Uniform("a", 1), TypeError, "Uniform: low is 'a'"),
        (lambda: Uniform(-math.inf, 1), ValueError, "Uniform: low < high is needed"),
        (lambda: Uniform(0, math.nan), ValueError, "Uniform: high is nan"),
    ],
)
def test_wrong_distributions(call, error, message):
    with pytest.raises(error, match=message):
        call()
