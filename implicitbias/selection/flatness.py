"""How flat a minimum of a deep linear network can be: its largest curvature, and the sum of its curvatures.

Where ∇L(W) = 0, the Hessian of L(W_N⋯W_1) in the layers is the Gauss–Newton matrix, with the non-zero eigenvalues of

    Σ_j A_jA_jᵀ ⊗ C^½ B_jᵀB_j C^½,        A_j = W_N⋯W_{j+1},   B_j = W_{j−1}⋯W_1,   C = XᵀX/n.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..checks import whole
from ..dynamics.charts import jacobian
from ..dynamics.oracle import SettingOracle
from ..problems import MatrixRegression, Regression
from ..records import record
from .programs import Certificate, Program

__all__ = [
    "FlattestMinimum",
    "LeastTrace",
    "flattest_minimum",
    "hessian_trace",
    "least_trace",
    "loss_hessian",
]


class FlattestMinimum(NamedTuple):
    """The least largest eigenvalue of the Hessian over all minima, and a bound of it from below."""

    sharpness: float
    at_least: float


def loss_hessian(setting: Any, theta: Any) -> np.ndarray:
    """∇²_θ L (P, P) at θ, in the structure of the start; weight decay is left out."""
    H = jacobian(SettingOracle(setting).gradient, setting.layout.join(theta))
    return 0.5 * (H + H.T)


def flattest_minimum(problem: Any, depth: int) -> FlattestMinimum:
    """min λ_max(∇²L) over the minima of L(W_N⋯W_1), N = ``depth`` ≥ 2, wherever it is known.

    For whitened inputs and any number of outputs it is N s₁^{2−2/N}, s₁ = ‖T‖₂, which all balanced layers attain. For
    one output and any inputs, with m = C^½ w* of any least-squares solution w*,

        min_{t>0} λ_max(tC + (N − 1) t^{−1/(N−1)} mmᵀ)  =  max_{‖v‖=1} N ((m·v)^{2(N−1)} vᵀCv)^{1/N},

    t = ‖W_N⋯W_2‖². The two sides are ``sharpness`` and ``at_least``.

    Raises
    ------
    ValueError
        for several outputs and inputs that are not whitened, and for other problems.

    Examples
    --------
    >>> from implicitbias import Regression
    >>> flattest_minimum(MatrixRegression.whitened([[4.0, 0.0], [0.0, 1.0]]), 2).sharpness
    8.0
    >>> round(flattest_minimum(Regression([[1.0, 0.0], [0.0, 2.0]], [1.0, 1.0]), 3).sharpness, 6)
    3.374848
    """
    N, (C, M) = whole("depth", depth, 2), _data(problem)
    if len(M) > 1:
        if not problem.is_whitened:
            raise ValueError("for several outputs the flattest minimum is known for whitened inputs only")
        value = N * float(np.linalg.norm(M, 2)) ** (2 - 2 / N)
        return FlattestMinimum(value, value)
    m = M[0]
    if not np.any(m):
        return FlattestMinimum(0.0, 0.0)

    def top(log_t: float) -> tuple[float, np.ndarray]:
        t = np.exp(log_t)
        values, vectors = np.linalg.eigh(t * C + (N - 1) * t ** (-1 / (N - 1)) * np.outer(m, m))
        return float(values[-1]), vectors[:, -1]

    from scipy.optimize import minimize_scalar

    # λ_max is convex in log t; at ``middle`` both terms have trace V, and beyond ``reach`` it is above 2V
    middle = (1 - 1 / N) * np.log((N - 1) * float(m @ m) / np.trace(C))
    reach = N * np.log(2 * len(m))
    found = minimize_scalar(
        lambda log_t: top(log_t)[0], bounds=(middle - reach, middle + reach), method="bounded",
        options={"xatol": 1e-9},
    )  # fmt: skip
    value, v = top(found.x)
    return FlattestMinimum(value, N * float(((m @ v) ** (2 * (N - 1)) * (v @ C @ v)) ** (1 / N)))


def least_trace(problem: Any, depth: int) -> float:
    """min tr ∇²L over the minima of L(W_N⋯W_1): N (d_N tr C)^{1/N} ‖Ŷ/√n‖_*^{2−2/N}, d_N outputs.

    Ŷ (n, d_N) are the fitted values, Y where the data can be interpolated. For whitened inputs and d_0 of them it is
    N (d_0d_N)^{1/N} ‖T‖_*^{2−2/N}. The layers have to be as wide as the rank of Ŷ.

    >>> least_trace(MatrixRegression.whitened([[3.0, 0.0], [0.0, 1.0]]), 2)
    16.0
    """
    return _least_trace(*_data(problem), whole("depth", depth, 2))


def _least_trace(C: np.ndarray, M: np.ndarray, N: int) -> float:
    nuclear = float(np.sum(np.linalg.svd(M, compute_uv=False)))
    return float(N * (len(M) * np.trace(C)) ** (1 / N) * nuclear ** (2 - 2 / N))


@record
class LeastTrace(Program):
    """min tr ∇²_θ L over the layers W_1, …, W_N that fit a MatrixRegression; of W it is their product.

    The objective is the least trace over all factors of w, N (d_N tr C)^{1/N} ‖wC^½‖_*^{2−2/N}, C = XᵀX/n; over the
    interpolants of one data set it is a constant, so that the data alone say which w it is: the interpolant nearest to
    zero, where there are several. Feasibility is ‖Xwᵀ − Y‖ relative to both; the gap is that to the least trace.

    >>> program = LeastTrace(MatrixRegression.whitened([[3.0, 0.0], [0.0, 1.0]]), 2)
    >>> program.objective(program.solution)
    16.0
    """

    problem: Any
    depth: int

    @property
    def shape(self) -> tuple[int, ...]:
        return self.problem.w_shape

    def objective(self, w: np.ndarray) -> float:
        return _least_trace(*_data(self.problem, w), self.depth)

    @property
    def solution(self) -> np.ndarray:
        X, Y = self.problem.X, self.problem.Y
        return np.asarray(np.linalg.lstsq(X, Y, rcond=None)[0].T)

    def certify(self, w: np.ndarray) -> Certificate:
        X, Y = self.problem.X, self.problem.Y
        off = float(np.linalg.norm(X @ w.T - Y)) / (float(np.linalg.norm(X @ w.T) + np.linalg.norm(Y)) or 1.0)
        value, least = self.objective(w), least_trace(self.problem, self.depth)
        return Certificate(off, off, (value - least) / ((value + least) or 1.0), np.zeros(0))


def hessian_trace(problem: Any, layers: Any) -> float:
    """tr ∇²L = Σ_j ‖A_j‖_F² tr(B_jCB_jᵀ) at any (W_1, …, W_N): W is linear in each layer, and residuals add nothing."""
    C, _ = _data(problem)
    total, above = 0.0, [np.eye(len(layers[-1]))]
    for W in layers[:0:-1]:
        above.append(above[-1] @ W)
    for W, A in zip(layers, above[::-1]):
        total += float(np.sum(A * A) * np.trace(C))
        C = W @ C @ W.T
    return total


def _data(problem: Any, W: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """C = XᵀX/n (d, d) and M = WC^½ (outputs, d), W a least-squares solution if it is not given."""
    if not isinstance(problem, Regression | MatrixRegression):
        raise ValueError(f"expected a Regression or a MatrixRegression, got a {type(problem).__name__}")
    X, Y = problem.X, problem.y[:, None] if isinstance(problem, Regression) else problem.Y
    W = np.linalg.lstsq(X, Y, rcond=None)[0].T if W is None else W
    _, s, Vt = np.linalg.svd(X / np.sqrt(problem.n), full_matrices=False)
    return (Vt.T * s**2) @ Vt, W @ (Vt.T * s) @ Vt
