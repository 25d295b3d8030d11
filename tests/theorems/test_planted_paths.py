"""A wrong constant planted in the path of a large start, and in the flow of wide layers: verify must see each."""

import pytest

import implicitbias as ib
from implicitbias.theorems import verify
from implicitbias.theorems.classification import loss_levels as path
from implicitbias.theorems.deep import wide


def assert_refuted(id):
    result = verify([id], seed=12, quick=True).results[0]
    assert result.status == "refuted", result


@pytest.mark.slow
def test_a_level_that_is_twenty_percent_off(monkeypatch):
    real = path.at_level
    monkeypatch.setattr(path, "at_level", lambda setting, level: real(setting, 1.2 * level))
    assert_refuted("hypentropy-margin-path")


@pytest.mark.slow
def test_the_l2_margin_all_the_way(monkeypatch):
    def euclidean(setting, level):
        return ib.HalfSpaceProjection(ib.Euclidean(), 0 * setting.w0, setting.problem.Z, level)

    monkeypatch.setattr(path, "at_level", euclidean)
    assert_refuted("hypentropy-margin-path")


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_a_limit_of_another_size(monkeypatch, factor):
    real = wide.limit
    monkeypatch.setattr(wide, "limit", lambda problem: lambda t: factor * real(problem)(t))
    assert_refuted("width-fluctuations")
