"""The fused step kernel against a plain NumPy twin of its equations."""

import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from implicitbias.kernels.descent import descend
from implicitbias.kernels.philox import uniform, uniform_index

KEY = (123456789, 987654321)
SQUARED, EXP, LOGISTIC = 0, 1, 2
LINEAR, DIAGONAL, HADAMARD, POWER = 0, 1, 2, 3
GRADIENT, HEAVY_BALL, NESTEROV, STEEPEST, KACZMARZ = 0, 1, 2, 3, 4
A = 2.5
"""The power of power propagation."""


# -- the twin ---------------------------------------------------------------------------------------


def predictor(model, theta):
    u, v = np.split(theta, 2) if model in (DIAGONAL, HADAMARD) else (theta, theta)
    return [theta, u**2 - v**2, u * v, np.sign(theta) * np.abs(theta) ** A][model]


def pullback(model, theta, g):
    if model == LINEAR:
        return g
    if model == POWER:
        return A * np.abs(theta) ** (A - 1) * g
    u, v = np.split(theta, 2)
    return np.concatenate([2 * u * g, -2 * v * g] if model == DIAGONAL else [v * g, u * g])


def loss_value(loss, X, y, w):
    """L for the squared loss, log L otherwise."""
    if loss == SQUARED:
        return np.mean((X @ w - y) ** 2) / 2
    m = X @ w
    return np.log(np.mean(np.exp(-m) if loss == EXP else np.log1p(np.exp(-m))))


def loss_gradient(loss, X, y, w):
    m = X @ w
    slope = [lambda: m - y, lambda: -np.exp(-m), lambda: -1 / (1 + np.exp(m))][loss]()
    return slope @ X / len(X)


def direction(p, G):
    """(s(G), ‖G‖_*) in ℓp."""
    if p == 1:
        s = np.zeros_like(G)
        j = np.argmax(np.abs(G))
        s[j] = np.sign(G[j])
        return s, np.abs(G).max()
    if p == np.inf:
        return np.sign(G), np.abs(G).sum()
    q = p / (p - 1)
    dual = np.sum(np.abs(G) ** q) ** (1 / q)
    return np.sign(G) * (np.abs(G) / dual) ** (q - 1), dual


def gradient_at(case, theta, k=None):
    """(∇_w L, ∇_θ of the objective) at θ: of all samples, or of those drawn at step k."""
    X, y = case["X"], case["y"]
    if k is not None and case["batch"] > 0:
        rows = [uniform_index(k, b, len(X), *KEY) for b in range(case["batch"])]
        X, y = X[rows], y[rows]
    g = loss_gradient(case["loss"], X, y, predictor(case["model"], theta))
    return g, pullback(case["model"], theta, g) + case["decay"] * theta


def twin(case):
    theta, memory = case["theta"].copy(), case["memory"].copy()
    shrink, shift = np.zeros((2, case["X"].shape[1]))
    for step, (eta, beta) in enumerate(zip(case["etas"], case["betas"])):
        k, rule = case["k0"] + step, case["rule"]
        if rule == KACZMARZ:
            i = np.searchsorted(case["cumulative"], uniform(k, 0, *KEY), side="right")
            x = case["X"][i]
            theta = theta - x * (x @ theta - case["y"][i]) / (x @ x)
            continue
        q = theta + beta * (theta - memory) if rule == NESTEROV else theta
        g, G = gradient_at(case, q, k)
        x = case["track"] * eta * g
        s = eta * case["decay"]
        if case["track"]:
            shrink += np.log(np.abs((1 - x - s) * (1 + x - s)))
            shift += np.log(np.abs((1 - x - s) / (1 + x - s))) + 2 * x
        if rule == GRADIENT:
            theta = theta - eta * G
        elif rule == HEAVY_BALL:
            memory = beta * memory - eta * G
            theta = theta + memory
        elif rule == NESTEROV:
            theta, memory = q - eta * G, theta
        else:
            unit, dual = direction(case["p"], G)
            theta = theta - eta * (1.0 if case["normalized"] else dual) * unit
    return theta, memory, np.stack([shrink, shift])


# -- instances --------------------------------------------------------------------------------------


def make(n, d, seed=0, steps=21, **changes):
    """A case of ``steps`` steps (more than 16, so the accumulators are flushed on the way)."""
    rng = np.random.default_rng([seed, n, d])
    model = changes.get("model", LINEAR)
    P = 2 * d if model in (DIAGONAL, HADAMARD) else d
    X = rng.standard_normal((n, d)) / np.sqrt(d)
    case = {
        "X": X, "y": rng.standard_normal(n), "loss": SQUARED, "model": model, "rule": GRADIENT,
        "theta": 0.5 + 0.5 * rng.random(P), "memory": np.zeros(P), "etas": 0.05 + 0.1 * rng.random(steps),
        "betas": np.full(steps, 0.7), "p": 2.0, "normalized": False, "batch": 0,
        "cumulative": np.cumsum(np.sum(X**2, axis=1) / np.sum(X**2)), "k0": 5, "decay": 0.0,
        "track": 0.0,
    }  # fmt: skip
    case |= changes
    if case["model"] in (DIAGONAL, HADAMARD):
        case["track"] = 2.0 if case["model"] == DIAGONAL else 1.0
    if case["rule"] == NESTEROV:
        case["memory"] = case["theta"].copy()
    return case


def kernel(case, function=descend, goal_loss=-np.inf, goal_gradient=-1.0, goal_margin=np.inf, period=1):
    theta, memory, decay = case["theta"].copy(), case["memory"].copy()[None], float(case["decay"])
    logs = np.zeros((2, case["X"].shape[1]))
    X, y = case["X"].view(), case["y"].view()
    X.flags.writeable = y.flags.writeable = False  # as problems hold them: one signature, one compilation
    done, reason = function(
        X, y, case["loss"], case["model"], A, case["rule"], theta, memory, case["etas"],
        case["betas"], float(case["p"]), case["normalized"], np.empty(0), case["batch"], case["cumulative"], *KEY,
        case["k0"], np.full(len(case["etas"]), decay), np.empty(0), np.empty(0), float(goal_loss),
        float(goal_gradient), float(goal_margin), decay, period, 0.0, np.inf, False,
        int(case["track"]), logs,
    )  # fmt: skip
    return theta, memory[0], logs, done, reason


def assert_agree(case):
    theta, memory, logs, done, reason = kernel(case)
    theta_2, memory_2, logs_2 = twin(case)
    assert (done, reason) == (len(case["etas"]), 0)
    # 21 steps of sums over at most 80 terms of size O(1), on maps of Lipschitz constant about 1:
    # 21·80·eps < 4e-13, times a factor for the powers
    close = {"rtol": 1e-11, "atol": 1e-11}
    np.testing.assert_allclose(theta, theta_2, **close)
    if case["rule"] in (HEAVY_BALL, NESTEROV):
        np.testing.assert_allclose(memory, memory_2, **close)
    if not (case["normalized"] and case["loss"] != SQUARED):  # there x has no fixed scale
        np.testing.assert_allclose(logs, logs_2, **close)


RULES = {
    "gradient": {"rule": GRADIENT},
    "decayed": {"rule": GRADIENT, "decay": 0.3},
    "heavy ball": {"rule": HEAVY_BALL},
    "nesterov": {"rule": NESTEROV},
    "nesterov decayed": {"rule": NESTEROV, "decay": 0.3},
    "sgd 1": {"rule": GRADIENT, "batch": 1},
    "sgd 3": {"rule": GRADIENT, "batch": 3},
    "l1": {"rule": STEEPEST, "p": 1.0},
    "l4/3": {"rule": STEEPEST, "p": 4 / 3},
    "l2": {"rule": STEEPEST, "p": 2.0},
    "linf": {"rule": STEEPEST, "p": np.inf},
    "l1 unit": {"rule": STEEPEST, "p": 1.0, "normalized": True},
    "l4/3 unit": {"rule": STEEPEST, "p": 4 / 3, "normalized": True},
    "l2 unit": {"rule": STEEPEST, "p": 2.0, "normalized": True},
    "linf unit": {"rule": STEEPEST, "p": np.inf, "normalized": True},
    "linf unit decayed": {"rule": STEEPEST, "p": np.inf, "normalized": True, "decay": 0.3},
}


@pytest.mark.parametrize("loss", [SQUARED, EXP, LOGISTIC], ids=["squared", "exp", "logistic"])
@pytest.mark.parametrize(
    "model", [LINEAR, DIAGONAL, HADAMARD, POWER], ids=["linear", "diagonal", "hadamard", "power"]
)
@pytest.mark.parametrize("rule", RULES)
def test_equals_its_numpy_twin(rule, model, loss):
    for n, d in [(1, 1), (2, 3), (7, 5), (60, 80)]:
        case = make(n, d, model=model, loss=loss, **RULES[rule])
        if rule == "linf":  # its step is η‖G‖₁ in every coordinate: stable for η of order 1/P
            case["etas"] = case["etas"] / case["theta"].size
        assert_agree(case)


@pytest.mark.parametrize("rule", ["gradient", "nesterov", "sgd 3", "l4/3 unit"])
def test_every_small_size(rule):
    """Vectorised loops have tails: every remainder of n and d up to 17."""
    for n, d in itertools.product(range(1, 18), repeat=2):
        assert_agree(make(n, d, model=HADAMARD, steps=17, **RULES[rule]))


@pytest.mark.parametrize(("n", "d"), [(1, 1), (3, 8), (17, 4), (60, 80)])
def test_row_projections(n, d):
    assert_agree(make(n, d, rule=KACZMARZ, batch=-1))
    uniform_law = np.arange(1, n + 1) / n
    assert_agree(make(n, d, rule=KACZMARZ, batch=-1, cumulative=uniform_law))


@pytest.mark.parametrize("loss", [SQUARED, EXP, LOGISTIC])
def test_loss_goal_stops_at_the_first_step_that_meets_it(loss):
    case = make(6, 9, loss=loss, steps=40)
    thetas = [twin(case | {"etas": case["etas"][:s], "betas": case["betas"][:s]})[0] for s in range(40)]
    values = np.array([loss_value(loss, case["X"], case["y"], t) for t in thetas])
    goal = 0.5 * (values[22] + values[23])  # the loss decreases: met first at step 23
    theta, _, _, done, reason = kernel(case, goal_loss=goal)
    assert (done, reason) == (23, 1)
    np.testing.assert_allclose(theta, thetas[23], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rule", ["gradient", "heavy ball", "l2 unit", "linf unit", "l1 unit"])
@pytest.mark.parametrize("loss", [SQUARED, EXP, LOGISTIC], ids=["squared", "exp", "logistic"])
@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["small loss", "large loss"])
def test_gradient_goal_is_the_norm_of_the_gradient(rule, loss, sign):
    """Normalised rules drop the gradient's size from the step, not from the goal."""
    case = make(6, 9, loss=loss, steps=40, **RULES[rule])
    w = np.linalg.lstsq(case["X"], np.full(6, 6.0 * sign), rcond=None)[0]
    case["theta"] = w  # margins ±6: the loss e^{∓6} is far from 1
    sizes = []
    for s in range(40):
        part = case | {"etas": case["etas"][:s], "betas": case["betas"][:s]}
        sizes.append(np.linalg.norm(gradient_at(case, twin(part)[0])[1]))
    goal = 0.999 * min(sizes[:11])
    expected = next((s for s in range(40) if sizes[s] <= goal), 40)
    assert kernel(case, goal_gradient=goal)[3] == expected


def test_margin_goal():
    case = make(3, 5, loss=EXP, steps=40)
    margins = []
    for s in range(40):
        part = case | {"etas": case["etas"][:s], "betas": case["betas"][:s]}
        margins.append((case["X"] @ twin(part)[0]).min())
    assert margins[0] < margins[20] < margins[21]  # the flow of three generic points separates
    expected = next(s for s in range(40) if margins[s] >= 0.5 * (margins[20] + margins[21]))
    goal = 0.5 * (margins[20] + margins[21])
    assert kernel(case, goal_margin=goal)[3:] == (expected, 1)


def test_goals_are_looked_at_once_a_period():
    case = make(6, 9, steps=40, batch=1) | {"k0": 0}
    done, reason = kernel(case, goal_loss=np.inf, period=6)[3:]
    assert (done, reason) == (0, 1)
    case["k0"] = 1  # the next look is at k = 6
    assert kernel(case, goal_loss=np.inf, period=6)[3:] == (5, 1)


def test_divergence_is_noticed():
    case = make(6, 9, steps=4000) | {"etas": np.full(4000, 1e6), "betas": np.zeros(4000)}
    _, _, _, done, reason = kernel(case)
    assert reason == 2
    assert done < 4000


def test_large_margins_neither_under_nor_overflow():
    """Signs of ∇L at loss e^{−1000}: the gradient underflows, its direction does not."""
    X, y = np.array([[1.0, 0.0], [0.0, -1.0]]), np.ones(2)
    case = make(2, 2, loss=EXP, rule=STEEPEST, p=np.inf, normalized=True, steps=4)
    case |= {"X": X, "y": y, "theta": np.array([1000.0, -1000.0]), "etas": np.ones(4)}
    assert kernel(case)[0].tolist() == [1004.0, -1004.0]


def test_the_kernel_is_valid_python():
    """With the compiler off the same function runs and gives the same numbers, draws included."""
    program = """
import json, sys
sys.path.insert(0, sys.argv[1])
import numpy as np, numba
assert numba.config.DISABLE_JIT
import test_descent as t
out = {}
for name in sys.argv[2].split(","):
    theta, memory, logs, done, reason = t.kernel(t.make(4, 5, model=t.HADAMARD, steps=18, **t.RULES[name]))
    out[name] = [theta.tolist(), logs.tolist(), done, reason]
out["draws"] = [t.uniform(k, s, *t.KEY) for k in range(5) for s in range(3)]
out["kaczmarz"] = t.kernel(t.make(4, 5, rule=t.KACZMARZ, batch=-1))[0].tolist()
print(json.dumps(out))
"""
    names = ["gradient", "sgd 3", "nesterov", "linf unit"]
    here = os.path.dirname(__file__)
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", program, here, ",".join(names)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    out = json.loads(done.stdout)
    assert out["draws"] == [uniform(k, s, *KEY) for k in range(5) for s in range(3)]
    # the compiler may contract and reorder sums of five terms: 18 steps of rounding
    close = {"rtol": 1e-12, "atol": 1e-13}
    for name in names:
        theta, _, logs, *ends = kernel(make(4, 5, model=HADAMARD, steps=18, **RULES[name]))
        np.testing.assert_allclose(out[name][0], theta, **close)
        np.testing.assert_allclose(out[name][1], logs, **close)
        assert out[name][2:] == ends
    projected = kernel(make(4, 5, rule=KACZMARZ, batch=-1))[0]
    np.testing.assert_allclose(out["kaczmarz"], projected, **close)
