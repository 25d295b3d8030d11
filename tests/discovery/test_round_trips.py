"""identify(design(ρ, form)) returns ρ′: exactly for mirror descent, to first order in the step for the other two."""

import numpy as np
import pytest

import implicitbias as ib

DRAW = {
    "problems": 16,
    "samples": 6,
    "dimension": 20,
    "cover": (0.1, 0.6),
    "stop": ib.Stop(loss=1e-18, steps=20_000),
}

POTENTIALS = {
    "euclidean": (ib.Euclidean(), 0.0, 1.0),
    "hypentropy -2": (ib.Hypentropy(-2.0), 0.0, 0.3),
    "hypentropy 1": (ib.Hypentropy(1.0), 0.0, 0.3),
    "hypentropy -2, depth 3": (ib.Hypentropy(-2.0, 3), 0.0, 0.1),
    "hypentropy -1, depth 4": (ib.Hypentropy(-1.0, 4), 0.0, 0.1),
    "ℓ1.5": (ib.PNorm(1.5), 0.0, 0.1),
    "ℓ1.25": (ib.PNorm(1.25), 0.0, 0.1),
    "entropy": (ib.Entropy(), 0.5, 0.2),
    "power 2": (ib.Power(2), 0.5, 0.05),
    "power 3": (ib.Power(3), 0.5, 0.03),
    "log cosh": (ib.Potential.from_value(lambda w: np.log(np.cosh(w))), 0.0, 0.1),
    "smooth Huber": (ib.Potential.from_value(lambda w: np.sqrt(1 + w * w)), 0.0, 0.1),
    "a user's callable": (ib.Potential.from_gradient(lambda w: w + w**3), 0.0, 0.3),
}


def relative_error(bias, potential, start):
    """max |φ̂′ − φ′|/max |φ′| over the identified range, after scaling (and, where signs are kept, a shift)."""
    sizes = np.geomspace(*bias.range, 200)
    got, true = bias.potential(sizes), potential.gradient(sizes)
    columns = np.stack([got, np.ones_like(got)], axis=1)[:, : 2 if start else 1]
    fitted = columns @ np.linalg.lstsq(columns, true, rcond=None)[0]
    return np.max(np.abs(fitted - true)) / np.max(np.abs(true - (np.min(true) if start else 0)))


@pytest.mark.parametrize("name", POTENTIALS)
def test_mirror_descent_at_a_large_step(name):
    potential, start, step = POTENTIALS[name]
    optimizer = ib.design(potential, step=step)
    cover = (0.1, 3.0) if start else DRAW["cover"]  # far from a start that is not zero on both sides
    bias = ib.identify(optimizer, start=start, **{**DRAW, "cover": cover})
    assert bias.verdict == "separable", bias.message
    assert relative_error(bias, potential, start) < 0.01
    if not isinstance(potential, ib.CustomPotential):
        same = "Entropy" if name == "power 2" else type(potential).__name__  # one potential on one orthant
        assert bias.family.name == same


def identified(potential, form, step):
    """The bias of one form at a step; the same problems for all."""
    options = {**DRAW, "rng": 4}
    if form == "reparametrization":
        return ib.identify(ib.GradientDescent(step), ib.design(potential, form), **options)
    return ib.identify(ib.design(potential, form, step), **options)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hypentropy -2", "log cosh", "a user's callable"])
@pytest.mark.parametrize("form", ["preconditioner", "reparametrization"])
def test_the_other_forms_within_a_per_cent(name, form):
    potential = POTENTIALS[name][0]
    bias = identified(potential, form, 0.1)
    assert bias.verdict == "separable", bias.message
    assert relative_error(bias, potential, 0.0) < 0.01


@pytest.mark.slow
def test_the_errors_of_the_forms_are_as_nought_to_one_to_two():
    """The shift of ln c from its value, to first order in the step, and what no ln c explains."""
    potential = ib.Hypentropy(-1.0)
    read = {
        form: identified(potential, form, 0.05) for form in ("mirror", "reparametrization", "preconditioner")
    }
    shift = {form: bias.family.parameters["log_c"] + 1.0 for form, bias in read.items()}
    assert abs(shift["mirror"]) < 1e-6
    assert abs(shift["preconditioner"] / shift["reparametrization"] - 2) < 0.1
    assert abs(read["preconditioner"].residual / read["reparametrization"].residual - 2) < 0.1
