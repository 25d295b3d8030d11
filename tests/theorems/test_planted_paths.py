"""A wrong constant planted in the path of a large start, and in the flow of wide layers: verify must see each."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.selection.rules import loss_levels
from implicitbias.theorems import verify
from implicitbias.theorems.classification import loss_levels as path
from implicitbias.theorems.deep import wide


def assert_refuted(id):
    result = verify([id], seed=12, quick=True).results[0]
    assert result.status == "refuted", result


@pytest.mark.slow
def test_a_level_that_is_ten_percent_off(monkeypatch):
    real = path.at_level
    monkeypatch.setattr(path, "at_level", lambda setting, level: real(setting, 1.1 * level))
    assert_refuted("hypentropy-margin-path")


@pytest.mark.slow
def test_a_hypentropy_of_three_times_the_scale(monkeypatch):
    real = loss_levels.mirror_form

    def tripled(setting):
        psi, z0 = real(setting)
        return ib.Hypentropy(psi.log_c + np.log(2)), z0

    monkeypatch.setattr(loss_levels, "mirror_form", tripled)
    assert_refuted("hypentropy-margin-path")


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_a_limit_of_another_size(monkeypatch, factor):
    real = wide.limit
    monkeypatch.setattr(wide, "limit", lambda problem: lambda t: factor * real(problem)(t))
    assert_refuted("width-fluctuations")
