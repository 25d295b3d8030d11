"""What the pages on sensing derive: the constant of recovery, and the powers of α."""

import numpy as np

from implicitbias import VonNeumannProjection
from implicitbias.theorems.matrix import sensing


def test_every_semidefinite_matrix_is_within_the_constant():
    rng = np.random.default_rng(0)
    settings = sensing.semidefinite_sensing.draw(rng)
    problem = settings["large start"].problem
    X, C = sensing.recovery(problem)
    assert np.linalg.matrix_rank(X, tol=1e-8) == 1
    for size in (1e-6, 1e-3, 1.0, 10.0):
        for _ in range(20):
            U = rng.standard_normal((5, 5))
            Y = X + size * U @ U.T
            V = np.linalg.cholesky(X + 1e-12 * np.eye(5)) + size * U
            for S in (Y, V @ V.T):
                r = np.linalg.norm(problem.measure(S) - problem.b)
                assert np.linalg.norm(S - X) <= C * r + 1e-9


def test_eigenvalues_off_the_support_are_powers_of_the_scale():
    a = np.array([[1.0, 0.3, 0.5, 0.2], [0.2, 1.0, 0.1, 0.5]])  # columns a_k; the support is {1, 2}
    x = np.array([1.0, 2.0])
    A_S, off = a[:, :2], a[:, 2:]
    slack = 1 - off.T @ np.linalg.solve(A_S.T, np.ones(2))
    assert np.all(slack > 0.2)
    B = np.linalg.solve(A_S, off)
    constant = np.prod(x[:, None] ** B, axis=0)
    alpha = 1e-6
    program = VonNeumannProjection(2 * np.log(alpha) * np.eye(4), [np.diag(row) for row in a], A_S @ x)
    seen = np.diag(program.solution)[2:]
    # the next order is x_off/x_S times entries of B, and x_off ≤ α^{0.4}
    np.testing.assert_allclose(
        seen / (constant * alpha ** (2 * slack)), 1, atol=2 * alpha ** (2 * slack.min())
    )
