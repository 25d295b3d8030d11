"""A wrong constant planted in what theorems on decay, flatness, noise and convolutions derive: verify must see each."""

import dataclasses
from importlib import import_module

import pytest

from implicitbias import FourierHypentropy
from implicitbias.theorems import verify

MATRIX, RULES = "implicitbias.theorems.matrix.", "implicitbias.selection.rules."


def times(factor):
    return lambda value: factor * value


CASES = [
    ("layer-decay-is-nuclear", RULES + "schatten", "NuclearPenalty",
     lambda v: dataclasses.replace(v, lam=1.0001 * v.lam)),
    ("deep-layer-decay", MATRIX + "decay", "_rate", times(1.0001)),
    ("flattest-minima", MATRIX + "flatness", "flattest_minimum",
     lambda v: v._replace(sharpness=1.00001 * v.sharpness)),
    ("no-flatter-minimum", MATRIX + "flatness", "flattest_minimum",
     lambda v: v._replace(at_least=2 * v.at_least)),  # the loss without its ½
    ("label-noise-least-trace", MATRIX + "noise", "least_trace", times(0.8)),
    ("convolution-fourier-entropy", RULES + "convolution", "FourierHypentropy",
     lambda v: FourierHypentropy(v.log_c + 1e-3)),
    ("convolution-fourier-l1", "implicitbias.theorems.deep.convolution", "vertex",
     lambda v: v._replace(rho=1.1 * v.rho)),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("id", "module", "name", "change"), CASES, ids=[c[0] for c in CASES])
def test_an_error_in_what_is_derived(monkeypatch, id, module, name, change):
    owner = import_module(module)
    real = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *a, **k: change(real(*a, **k)))
    result = verify(ids=[id], seed=12, quick=True).results[0]
    assert result.status == "refuted", result
    assert result.deviation > result.bound
