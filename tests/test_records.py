"""Records: equality, hash and dictionary form by content, for every public constructor."""

import dataclasses
import json

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.records import content_hash, decode, encode

X, Y = np.array([[1.0, 0.1], [-2.5, 1e-300], [0.3, 4.0]]), np.array([1.0, -1.0, 1.0])
P = np.array([[2.0, 0.5], [0.5, 1.0]])
MAKERS = [
    lambda: ib.Regression(X, Y),
    lambda: ib.Classification(X, Y),
    lambda: ib.Classification(X, Y, "logistic"),
    lambda: ib.MatrixRegression(X, X),
    lambda: ib.MatrixRegression.whitened(X),
    lambda: ib.MatrixCompletion([[np.nan, 1.0], [2.0, 3.0]], [[0, 1], [1, 1]]),
    lambda: ib.Linear(),
    lambda: ib.Diagonal(),
    lambda: ib.Diagonal(depth=3),
    lambda: ib.Hadamard(),
    lambda: ib.PowerPropagation(2.5),
    lambda: ib.DeepLinear((2, 3, 1)),
    lambda: ib.MatrixFactorization(2),
    lambda: ib.MatrixFactorization(2, tied=True),
    lambda: ib.Balanced(0.1),
    lambda: ib.Balanced(0.1, rng=3),
    lambda: ib.Balanced(0.1, signs=[1, -1]),
    lambda: ib.GradientFlow(),
    lambda: ib.GradientFlow(rates=(1.0, 2.0)),
    lambda: ib.GradientFlow(weight_decay=0.1),
    lambda: ib.PreconditionedFlow(P),
    lambda: ib.GradientDescent(0.1),
    lambda: ib.GradientDescent(ib.Decay(0.1, 0.5)),
    lambda: ib.GradientDescent([0.1, 0.2]),
    lambda: ib.GradientDescent(0.1, weight_decay=0.5),
    lambda: ib.SGD(0.1, 2),
    lambda: ib.HeavyBall(0.1, 0.9),
    lambda: ib.Nesterov(0.1),
    lambda: ib.Nesterov(0.1, 0.9),
    lambda: ib.NormalizedGradientDescent(0.1),
    lambda: ib.SteepestDescent(np.inf, 0.1),
    lambda: ib.SteepestDescent(4 / 3, 0.1, normalized=True),
    lambda: ib.SignDescent(0.1),
    lambda: ib.SignDescent(0.1, 0.9),
    lambda: ib.CoordinateDescent(0.1),
    lambda: ib.RandomizedKaczmarz(),
    lambda: ib.RandomizedKaczmarz("uniform"),
    lambda: ib.MirrorDescent(ib.Hypentropy(-3.0), 0.1),
    lambda: ib.MirrorDescent(ib.PNorm(1.5), ib.Decay(0.1, 1.0), weight_decay=0.2),
    lambda: ib.PreconditionedGradientDescent(P, 0.1),
    lambda: ib.PreconditionedGradientDescent([1.0, 2.0], 0.1),
    lambda: ib.Euclidean(),
    lambda: ib.Mahalanobis(P),
    lambda: ib.Mahalanobis([1.0, 2.0]),
    lambda: ib.Hypentropy(-700.0),
    lambda: ib.Hypentropy([-1.0, 2.0]),
    lambda: ib.PNorm(3.0),
    lambda: ib.LpNorm(np.inf),
    lambda: ib.Stop(),
    lambda: ib.Stop(loss=1e-26, log_time=1000.0, steps=7),
    lambda: ib.Save(),
    lambda: ib.Save(at=[0.0, 1.5], last=2, fields=("loss", "w")),
    lambda: ib.Setting(ib.Regression(X, Y), ib.Linear(), ib.GradientFlow()),
    lambda: ib.Setting(ib.Regression(X, Y), ib.Diagonal(), ib.SGD(0.1), ib.Balanced(1e-300)),
    lambda: ib.Setting(
        ib.Regression(X, Y), ib.DeepLinear((2, 1, 1)), ib.GradientFlow(), (np.ones((1, 2)), np.ones((1, 1)))
    ),
]  # fmt: skip
IDS = [f"{i}-{type(m()).__name__}" for i, m in enumerate(MAKERS)]
every = pytest.mark.parametrize("make", MAKERS, ids=IDS)


@every
def test_equal_by_content(make):
    a, b = make(), make()
    assert a is not b
    assert a == b
    assert hash(a) == hash(b)
    assert len({a, b}) == 1


def test_all_different():
    records = [make() for make in MAKERS]
    assert len(set(records)) == len(records)
    for i, a in enumerate(records):
        assert all(a != b for b in records[i + 1 :])


@every
def test_through_json_and_back(make):
    record = make()
    text = json.dumps(encode(record), allow_nan=False)
    back = decode(json.loads(text))
    assert type(back) is type(record)
    assert back == record
    assert content_hash(back) == content_hash(record)
    assert encode(back) == encode(record)


@every
def test_frozen(make):
    record = make()
    for field in dataclasses.fields(record):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, field.name, None)


@every
def test_arrays_inside_are_read_only(make):
    record = make()
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        if isinstance(value, np.ndarray):
            with pytest.raises(ValueError, match="read-only"):
                value[...] = 0


SAME = {
    "ib.GradientDescent(1)": (lambda: ib.GradientDescent(1), lambda: ib.GradientDescent(1.0)),
    "ib.GradientDescent(np.float64(0.1))": (
        lambda: ib.GradientDescent(np.float64(0.1)),
        lambda: ib.GradientDescent(0.1),
    ),
    "ib.GradientDescent(0.1, weight_decay=0)": (
        lambda: ib.GradientDescent(0.1, weight_decay=0),
        lambda: ib.GradientDescent(0.1),
    ),
    "ib.GradientFlow(weight_decay=np.float64(0.5))": (
        lambda: ib.GradientFlow(weight_decay=np.float64(0.5)),
        lambda: ib.GradientFlow(weight_decay=0.5),
    ),
    "ib.HeavyBall(0.1, np.float32(0.5))": (
        lambda: ib.HeavyBall(0.1, np.float32(0.5)),
        lambda: ib.HeavyBall(0.1, 0.5),
    ),
    "ib.SignDescent(0.1, 0)": (lambda: ib.SignDescent(0.1, 0), lambda: ib.SignDescent(0.1)),
    "ib.SignDescent(0.1, np.float64(0.5))": (
        lambda: ib.SignDescent(0.1, np.float64(0.5)),
        lambda: ib.SignDescent(0.1, 0.5),
    ),
    "ib.Decay(0.1, 1)": (lambda: ib.Decay(0.1, 1), lambda: ib.Decay(0.1, 1.0)),
    "ib.Decay(0.1, np.float64(0.5))": (lambda: ib.Decay(0.1, np.float64(0.5)), lambda: ib.Decay(0.1, 0.5)),
    "ib.PowerPropagation(2)": (lambda: ib.PowerPropagation(2), lambda: ib.PowerPropagation(2.0)),
    "ib.PowerPropagation(np.float64(1.5))": (
        lambda: ib.PowerPropagation(np.float64(1.5)),
        lambda: ib.PowerPropagation(1.5),
    ),
    "ib.PNorm(3)": (lambda: ib.PNorm(3), lambda: ib.PNorm(3.0)),
    "ib.Diagonal(2.0)": (lambda: ib.Diagonal(2.0), lambda: ib.Diagonal(2)),
    "ib.DeepLinear([2, 3])": (lambda: ib.DeepLinear([2, 3]), lambda: ib.DeepLinear((2, 3))),
    "ib.Balanced(1, rng=np.int64(3))": (
        lambda: ib.Balanced(1, rng=np.int64(3)),
        lambda: ib.Balanced(1.0, rng=3),
    ),
    "ib.Balanced(1, signs=[1, -1])": (
        lambda: ib.Balanced(1, signs=[1, -1]),
        lambda: ib.Balanced(1, signs=np.array([1.0, -1.0])),
    ),
    "ib.Save(every=np.int64(3))": (lambda: ib.Save(every=np.int64(3)), lambda: ib.Save(every=3)),
    'ib.Save(fields="loss")': (lambda: ib.Save(fields="loss"), lambda: ib.Save(fields=["loss"])),
    "ib.SteepestDescent(2, 0.1)": (lambda: ib.SteepestDescent(2, 0.1), lambda: ib.SteepestDescent(2.0, 0.1)),
    "ib.MatrixRegression(X, X)": (lambda: ib.MatrixRegression(X, X), lambda: ib.MatrixRegression(X, X, 3)),
}


@pytest.mark.parametrize("name", SAME)
def test_the_same_number_in_another_type_is_the_same_record(name):
    a, b = SAME[name]
    assert a() == b()
    assert decode(json.loads(json.dumps(encode(a())))) == a()


def test_one_changed_bit_is_another_record():
    Z = X.copy()
    Z[0, 0] = np.nextafter(Z[0, 0], 2.0)
    assert ib.Regression(X, Y) != ib.Regression(Z, Y)
    assert ib.GradientDescent(0.1) != ib.NormalizedGradientDescent(0.1)
    assert ib.Hadamard() != ib.Diagonal()
    assert ib.Hadamard() != "Hadamard"


class Own:
    def shapes(self, problem):
        return problem.w_shape

    def predictor(self, theta):
        return theta

    def pullback(self, theta, g):
        return g


PROBLEM = ib.Regression(X, Y)
OWN = {
    "step": (lambda: ib.Setting(PROBLEM, ib.Linear(), ib.GradientDescent(lambda k: 0.1)), r"\.step"),
    "P": (lambda: ib.Setting(PROBLEM, ib.Linear(), ib.PreconditionedFlow(lambda w: P)), r"\.P"),
    "model": (lambda: ib.Setting(PROBLEM, Own(), ib.GradientFlow(), np.ones(2)), r"\.model is a Own"),
}


@pytest.mark.parametrize("name", OWN)
def test_own_objects_have_no_dictionary_form(name):
    make, message = OWN[name]
    with pytest.raises(TypeError, match=message):
        make().to_dict()
    setting = make()
    assert setting == setting
    assert hash(setting) == hash(setting)
    assert setting != make()  # another lambda, another object


def test_setting_dictionaries():
    setting = ib.Setting(PROBLEM, ib.Diagonal(), ib.GradientFlow(), ib.Balanced(0.1))
    assert ib.Setting.from_dict(json.loads(json.dumps(setting.to_dict()))) == setting
    with pytest.raises(ValueError, match="holds a Regression, not a Setting"):
        ib.Setting.from_dict(encode(PROBLEM))
    with pytest.raises(ValueError, match="expected a dictionary written by implicitbias"):
        ib.Setting.from_dict({"problem": 1})


def test_a_generator_becomes_one_key():
    a, b = (ib.Balanced(0.1, rng=np.random.default_rng(5)) for _ in range(2))
    assert isinstance(a.rng, int)
    assert a == b
    rng = np.random.default_rng(5)
    first, second = ib.Balanced(0.1, rng=rng), ib.Balanced(0.1, rng=rng)
    assert first == a
    assert first != second  # it drew another key
    assert decode(json.loads(json.dumps(encode(a)))) == a


@pytest.mark.parametrize(
    "value",
    [
        np.array([[1.0, np.nan], [-np.inf, 5e-324]]),
        np.array([True, False]),
        np.arange(3),
        (1, 2.5, None, "a", (True,)),
        {"a": 1.0, "b": (2,)},
        np.nextafter(0.1, 1.0),
        np.inf,
    ],
    ids=str,
)
def test_plain_values_are_exact(value):
    back = decode(json.loads(json.dumps(encode(value), allow_nan=False)))
    if isinstance(value, np.ndarray):
        assert back.dtype == value.dtype
        np.testing.assert_array_equal(back, value)
    else:
        assert back == value
        assert type(back) is type(value) or isinstance(value, np.generic)
