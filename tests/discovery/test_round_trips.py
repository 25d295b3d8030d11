"""identify(design(ρ, form)) returns ρ′: exactly for mirror descent, up to first order in the step for the other two."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.theorems.draws import inputs_with_spectrum

DRAW = {
    "problems": 16,
    "samples": 6,
    "dimension": 20,
    "cover": (0.1, 0.6),
    "stop": ib.Stop(loss=1e-12, steps=20_000),  # the identity holds all along the run: no need to finish
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


def scaled(bias, sizes, true, start):
    """The best multiple of φ̂′ (and, where signs are kept, shift)."""
    got = bias.potential(sizes)
    columns = np.stack([got, np.ones_like(got)], axis=1)[:, : 2 if start else 1]
    return columns @ np.linalg.lstsq(columns, true, rcond=None)[0]


def relative_error(bias, potential, start):
    """max |φ̂′ − φ′|/max |φ′| over the identified range, after scaling."""
    sizes = np.geomspace(*bias.range, 200)
    true = potential.gradient(sizes)
    fitted = scaled(bias, sizes, true, start)
    return np.max(np.abs(fitted - true)) / np.max(np.abs(true - (np.min(true) if start else 0)))


SLOW = {"log cosh", "smooth Huber", "hypentropy -2, depth 3", "hypentropy -1, depth 4"}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in POTENTIALS]
)
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


# -- the other two forms, which err to first order in the step ----------------------------------------------


def source(form, potential, step):
    """(optimizer, model)."""
    if form == "reparametrization":
        return ib.GradientDescent(step), ib.design(potential, form)
    return ib.design(potential, form, step), ib.Linear()


@pytest.mark.slow
@pytest.mark.parametrize("form", ["preconditioner", "reparametrization"])
def test_the_other_forms_on_problems_that_identify_draws(form):
    potential = POTENTIALS["a user's callable"][0]
    bias = ib.identify(*source(form, potential, 0.1), **DRAW, rng=4)
    assert bias.verdict == "separable", bias.message
    assert relative_error(bias, potential, 0.0) < 0.01


@pytest.mark.parametrize("form", ["preconditioner", "reparametrization"])
@pytest.mark.parametrize("name", ["ℓ1.5", "ℓ1.25", "entropy", "power 2", "power 3"])
def test_no_other_form_leaves_zero_where_the_curvature_is_infinite(name, form):
    """ρ″(0) = ∞ makes 1/ρ″ = w′² zero there: the forms exist, and need a start of another size."""
    potential = POTENTIALS[name][0]
    stop = ib.Stop(loss=1e-6, steps=50)
    with pytest.raises(ValueError, match="solution 0 is its start: it says nothing of what moved it"):
        ib.identify(*source(form, potential, 0.1), start=0.0, problems=6, samples=3, dimension=8, stop=stop)


JACOBIANS = {"reparametrization": 1, "preconditioner": 2}
LAW = {"euclidean": 1.0, "hypentropy -2": 0.8, "hypentropy 1": 5.0, "hypentropy -2, depth 3": 0.4,
       "hypentropy -1, depth 4": 0.7, "log cosh": 1.3, "smooth Huber": 1.3, "a user's callable": 1.6}  # fmt: skip
"""Of potentials that start at zero, the size of the largest planted w; the others start at ½, and keep its sign."""
SECOND_ORDER = 0.2
"""Of the first order: η max P λ_max is 0.3 at most, and m = 1 in place of 2, or 2 in place of 1, is ½ or more."""


def drawn(name):
    """Sixteen problems (3, 12), eigenvalues ½ to 1 of XᵀX/n, and their common start."""
    rng = np.random.default_rng(2)
    w0, problems = np.full(12, 0.0 if name in LAW else 0.5), []
    for size in np.geomspace(0.06, 0.6, 16):
        X = inputs_with_spectrum(rng, 3, 12, np.linspace(0.5, 1, 3))
        planted = size * LAW.get(name, 0) * rng.standard_normal(12) + w0 * np.exp(rng.uniform(-1.2, 1.2, 12))
        problems.append(ib.Regression(X, X @ planted))
    return problems, w0


def setting(form, potential, problem, w0, step):
    optimizer, model = source(form, potential, step)
    return ib.Setting(problem, model, optimizer, getattr(model, "straighten", np.copy)(w0))


def slope_of_inverse_curvature(potential, w):
    """P′ of P = 1/ρ″."""
    h = 1e-3 * np.maximum(np.abs(w), 0.1)
    return (1 / potential.hessian(w + h) - 1 / potential.hessian(w - h)) / (2 * h)


def drift(potential, run, step):
    """−(η/4) Σ_t η P′(w_t) g_t²: what one Jacobian adds to ρ′(w) along a run."""
    w = run.history["w"]
    g = run.setting.problem.gradient(w)
    return -(step**2) / 4 * np.sum(slope_of_inverse_curvature(potential, w) * g**2, axis=0)


def ends_of_the_law(potential, runs, step):
    """The points w with Xw as at the end of each run and ρ′(w) − ρ′(w₀) − drift in range(Xᵀ)."""
    ends = []
    for run in runs:
        X, dual = run.setting.problem.X, potential.gradient(run.setting.w0) + drift(potential, run, step)
        ends.append(ib.BregmanProjection(potential, dual, X, X @ run.w).solution)
    return ends


def runs_of(form, potential, problems, w0, step):
    done = []
    for p in problems:
        stop, save = ib.Stop(loss=1e-6 * p.loss(w0), steps=5000), ib.Save(every=1, fields=("w",))
        done.append(ib.simulate(setting(form, potential, p, w0, step), stop, save=save))
    assert all(run.converged for run in done)
    return done


def biases(potential, problems, w0, step):
    """What is identified from each form, and ("law") from where the law sends one Jacobian."""
    runs = {form: runs_of(form, potential, problems, w0, step) for form in ("mirror", *JACOBIANS)}
    ends = {form: [run.w for run in done] for form, done in runs.items()}
    ends["law"] = ends_of_the_law(potential, runs["mirror"], step)
    found = {k: ib.identify([(p.X, p.y, x) for p, x in zip(problems, w)], start=w0) for k, w in ends.items()}
    assert all(bias.verdict == "separable" for bias in found.values()), found
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", POTENTIALS)
def test_the_other_forms_err_as_the_law_says(name):
    """φ̂′ of a form at a finite step is, to first order, that of the mirror step plus m shifts: m = 1 for the model,
    2 for the preconditioner.

    The page of zero-one-two-law has N[ρ′(w∞) − ρ′(w₀)] = −m (η/2) N Σ η w″(φ) g² + O(η²), and w″ = ½P′(w), as
    P = w′². So a form ends, up to O(η²), at the projection of ρ′(w₀) + m d, with d = −(η/4) Σ η P′(w) g² along the
    flow, for which the mirror step's own path stands here. The best φ′ is a smooth function of the solutions: what
    identify makes of these projections is φ̂′ of the form, up to O(η²). This says more than that errors halve with
    the step and are as 2 : 1: it predicts the curve, sign and all, from a path on which neither form went. What
    splines miss is in all curves; a change of knots between them may cost it once.
    """
    potential = POTENTIALS[name][0]
    problems, w0 = drawn(name)
    flow_ends = [ib.BregmanProjection(potential, potential.gradient(w0), p.X, p.y).solution for p in problems]
    over = np.linspace(np.min(flow_ends), np.max(flow_ends), 400)
    found = biases(
        potential, problems, w0, min(0.3 * np.min(potential.hessian(over)), 0.1 * potential.hessian(w0)[0])
    )
    low, high = max(b.range[0] for b in found.values()), min(b.range[1] for b in found.values())
    sizes = np.geomspace(low, high, 200)
    true = potential.gradient(sizes)
    scale = np.max(np.abs(true - (np.min(true) if w0[0] else 0)))
    error = {k: (scaled(b, sizes, true, w0[0]) - true) / scale for k, b in found.items()}
    resolution, shift = np.max(np.abs(error["mirror"])), error["law"] - error["mirror"]
    assert resolution < 0.01
    for form, m in JACOBIANS.items():
        first_order = m * np.max(np.abs(shift))
        beyond = np.max(np.abs(error[form] - error["mirror"] - m * shift))
        assert beyond <= SECOND_ORDER * first_order + resolution
        assert np.max(np.abs(error[form])) < 0.01 + first_order
