"""Shared by all tests: bounded random instances, derivatives by other means, two small problems."""

from __future__ import annotations

import os

# before NumPy is there: the threads of one worker would wait for those of the others
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import hypothesis
import matplotlib
import numpy as np
import pytest

import implicitbias as ib

matplotlib.use("Agg")
hypothesis.settings.register_profile(
    "bounded", derandomize=True, deadline=None, max_examples=20, database=None
)
hypothesis.settings.load_profile("bounded")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240607)


@pytest.fixture(scope="session")
def regression() -> ib.Regression:
    """n = 4, d = 6, singular values of X/√n in [0.5, 1.5], consistent: gradient methods are quick."""
    rng = np.random.default_rng(1)
    U, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    V, _ = np.linalg.qr(rng.standard_normal((6, 4)))
    X = 2.0 * U @ np.diag([0.5, 0.8, 1.1, 1.5]) @ V.T
    return ib.Regression(X, X @ rng.standard_normal(6))


@pytest.fixture(scope="session")
def inconsistent() -> ib.Regression:
    """n = 8, d = 3, orthonormal columns times √8 and a residual of norm √16: least loss exactly 1."""
    Q, _ = np.linalg.qr(np.random.default_rng(2).standard_normal((8, 8)))
    X = np.sqrt(8.0) * Q[:, :3]
    return ib.Regression(X, X @ np.array([1.0, -2.0, 0.5]) + 4.0 * Q[:, 3])


@pytest.fixture(scope="session")
def separable():
    """separable(loss): n = 6, d = 3 with margin at least 0.5 along e_1."""

    def make(loss: str = "exp") -> ib.Classification:
        rng = np.random.default_rng(3)
        y = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
        X = rng.standard_normal((6, 3))
        X[:, 0] = y * (0.5 + np.abs(X[:, 0]))
        return ib.Classification(X, y, loss)

    return make


@pytest.fixture(scope="session")
def central():
    """central(f, x): the gradient of the real f at x by central differences, in x's shape."""

    def gradient(f, x):
        out = np.empty(x.size)
        for j in range(x.size):
            h = 6e-6 * max(1.0, abs(x.flat[j]))
            e = np.zeros(x.size)
            e[j] = h
            out[j] = (f(x + e.reshape(x.shape)) - f(x - e.reshape(x.shape))) / (2 * h)
        return out.reshape(x.shape)

    return gradient


@pytest.fixture(scope="session")
def complex_step():
    """complex_step(f, x): ∂f/∂x (x.size, *f's shape) of a batched analytic f, by one call."""

    def jacobian(f, x):
        h = 1e-30
        moved = x + 1j * h * np.eye(x.size).reshape(x.size, *x.shape)
        return np.imag(f(moved)) / h

    return jacobian
