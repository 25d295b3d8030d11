"""What linear convolutional networks select: functions of the sizes |Fw| of the unitary discrete Fourier transform."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..checks import real_array, whole
from ..geometry import Hypentropy, Potential
from ..models.convolution import spectrum
from ..records import record
from .margins import separating_direction
from .programs import Certificate, Program

__all__ = ["FourierHypentropy", "FourierMargin"]


@record
class FourierHypentropy(Potential):
    """ψ(w) = Σ_k h(|ŵ_k|), ŵ = Fw, h(r) = r arcsinh(r/c_k) − √(r² + c_k²) + c_k.

    ∇ψ(w) = F*[arcsinh(|ŵ|/c) ŵ/|ŵ|], ∇ψ*(z) = F*[c sinh|ẑ| ẑ/|ẑ|]. ``log_c`` is a number or (d,), the same at k and
    −k. For c → ∞ it is ‖w‖₂², for c → 0 ‖Fw‖₁ up to a factor.

    >>> psi, w = FourierHypentropy(log_c=-3.0), np.array([1.0, -2.0, 0.5])
    >>> np.allclose(psi.inverse_gradient(psi.gradient(w)), w, rtol=1e-12)
    True
    """

    log_c: Any

    source = "yun2021unifying"
    separable = False

    def __post_init__(self) -> None:
        log_c = real_array("log_c", self.log_c)
        if log_c.ndim and np.max(np.abs(log_c - _reversed(log_c))) > 1e-9 * np.max(np.abs(log_c)):
            raise ValueError("log_c must be the same at frequencies k and −k")
        object.__setattr__(self, "log_c", float(log_c) if log_c.ndim == 0 else log_c)

    @property
    def _sizes(self) -> Hypentropy:
        """The potential of the sizes."""
        return Hypentropy(self.log_c)

    def value(self, w: np.ndarray) -> np.ndarray:
        return self._sizes.value(np.abs(spectrum(w)))

    def gradient(self, w: np.ndarray) -> np.ndarray:
        r, phase = _polar(w)
        return _signal(self._sizes.gradient(r) * phase)

    def inverse_gradient(self, z: np.ndarray) -> np.ndarray:
        r, phase = _polar(z)
        return _signal(self._sizes.inverse_gradient(r) * phase)

    def hessian(self, w: np.ndarray) -> np.ndarray:
        r, phase = _polar(w)
        across = np.divide(self._sizes.gradient(r), r, out=self._sizes.hessian(r), where=r > 0)
        return _radial(self._sizes.hessian(r), across, phase)

    def inverse_hessian(self, z: np.ndarray) -> np.ndarray:
        r, phase = _polar(z)
        along = self._sizes.inverse_hessian(r)
        across = np.divide(self._sizes.inverse_gradient(r), r, out=along.copy(), where=r > 0)
        return _radial(along, across, phase)

    def relaxations(self) -> list[Potential]:
        """Geometric continuation in log c, as of the sizes."""
        return [FourierHypentropy(stage.log_c) for stage in self._sizes.relaxations()]  # type: ignore[attr-defined]

    def carry(self, other: Potential, z: np.ndarray) -> np.ndarray:
        assert isinstance(other, FourierHypentropy)
        return self._sizes.carry(other._sizes, z)


def _reversed(x: np.ndarray) -> np.ndarray:
    """x at −k."""
    return np.roll(x[..., ::-1], 1, axis=-1)


def _polar(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """|Fw| and the phases of Fw, one where it vanishes."""
    w_hat = spectrum(w)
    r = np.abs(w_hat)
    return r, np.divide(w_hat, r, out=np.ones_like(w_hat), where=r > 0)


def _signal(w_hat: np.ndarray) -> np.ndarray:
    """F*ŵ, real by symmetry."""
    w: np.ndarray = np.fft.ifft(w_hat).real * np.sqrt(w_hat.shape[-1])
    return w


def _radial(along: np.ndarray, across: np.ndarray, phase: np.ndarray) -> np.ndarray:
    """The matrix that multiplies each frequency by ``along`` in direction of the phase, ``across`` at right angles."""
    F = spectrum(np.eye(len(phase)))
    mean, half = (along + across) / 2, (along - across) / 2 * phase**2
    matrix: np.ndarray = (F.conj().T @ (mean[:, None] * F + half[:, None] * F.conj())).real
    return matrix


@record
class FourierMargin(Program):
    """min ‖Fw‖_p subject to z_i·w ≥ 1, p = 2/``depth``: what a linear convolutional network of this depth selects.

    Z (n, d) are the signed inputs, ‖Fw‖_p^p = Σ_k |(Fw)_k|^p. At depth two p = 1, and the program is convex: by duality
    its minimum is max {1ᵀα : α ≥ 0, max_k |(FZᵀα)_k| ≤ 1}. The solution needs cvxpy (the extra "sdp"). Beyond, the
    direction that is selected is stationary [gunasekar2018convolutional]: ``certify`` says whether, with a gap of NaN.

    >>> FourierMargin([[1.0, 1.0]]).certify(np.array([0.5, 0.5])).worst < 1e-12
    True
    """

    Z: Any
    depth: int = 2

    source = "gunasekar2018convolutional"
    kind = "direction"

    def __post_init__(self) -> None:
        object.__setattr__(self, "Z", real_array("Z", self.Z, (None, None)))
        object.__setattr__(self, "depth", whole("depth", self.depth, 2))

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.Z.shape[1],)

    def objective(self, w: np.ndarray) -> float:
        p = 2 / self.depth
        return float(np.sum(np.abs(spectrum(w)) ** p) ** (1 / p))

    @cached_property
    def solution(self) -> np.ndarray:
        """By a second-order cone program, polished by Newton's method on its support.

        Raises
        ------
        NotSeparable
            with its certificate, when there is no w with all margins positive.
        ValueError
            beyond depth two.
        """
        if self.depth > 2:
            raise ValueError("beyond depth two the program is not convex: certify a direction instead")
        separating_direction(self.Z)
        try:
            import cvxpy
        except ImportError as error:
            raise ImportError(
                "a Fourier margin is a cone program: pip install 'implicitbias[sdp]'"
            ) from error
        F, size = spectrum(np.eye(self.shape[0])), float(np.max(np.abs(self.Z)))
        w = cvxpy.Variable(self.shape[0])
        parts = cvxpy.vstack([F.real @ w, F.imag @ w])
        total = cvxpy.sum(cvxpy.norm(parts, 2, axis=0))
        tight = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-10)
        cvxpy.Problem(cvxpy.Minimize(total), [self.Z / size @ w >= 1]).solve(solver="CLARABEL", **tight)
        return _polished(self.Z, w.value / np.min(self.Z @ w.value))

    def certify(self, w: np.ndarray) -> Certificate:
        """For w scaled to least margin one, with the α ≥ 0 that fits r_k(FZᵀα)_k = r_k^p ŵ_k/|ŵ_k|, r = |ŵ|, and
        α_i(z_i·w − 1) = 0 best: stationarity is what they are missed by.
        """
        from scipy.optimize import nnls

        margins, p = self.Z @ w, 2 / self.depth
        if np.min(margins) <= 0:
            return Certificate(np.inf, np.inf, np.inf, np.full(len(margins), np.nan))
        v = w / np.min(margins)
        r, phase = _polar(v)
        left, right = (r * spectrum(self.Z)).T, r**p * phase
        slack = np.diag(self.Z @ v - 1) * float(np.max(r))
        A = np.vstack([left.real, left.imag, slack])
        b = np.concatenate([right.real, right.imag, np.zeros(len(margins))])
        alpha, off = nnls(A, b)
        stationarity = float(off) / float(np.linalg.norm(b))
        if self.depth > 2:
            return Certificate(0.0, stationarity, np.nan, alpha)
        bound = float(np.sum(alpha)) / max(1.0, float(np.max(np.abs(spectrum(self.Z.T @ alpha)))))
        value = self.objective(v)
        return Certificate(0.0, stationarity, (value - bound) / (value + bound), alpha)


def _polished(Z: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Newton's method for ∇‖Fw‖₁ = Z_Sᵀα, Z_Sw = 1 on the frequencies of w, S its active constraints."""
    F, r = spectrum(np.eye(len(w))), np.abs(spectrum(w))
    on, S = r > 1e-5 * np.max(r), Z @ w <= 1 + 1e-5
    _, sizes, Vt = np.linalg.svd(np.vstack([F[on].real, F[on].imag]), full_matrices=False)
    B = Vt[sizes > 1e-9].T  # the signals of these frequencies
    A, k = Z[S] @ B, B.shape[1]
    omega = B.T @ w
    for _ in range(10):
        r, phase = _polar(B @ omega)
        H = B.T @ _radial(np.zeros(len(w)), np.where(on, 1 / np.where(on, r, 1.0), 0.0), phase) @ B
        slope = B.T @ _signal(np.where(on, phase, 0.0))
        K = np.block([[H, -A.T], [A, np.zeros((len(A), len(A)))]])
        omega = omega + np.linalg.lstsq(K, np.append(-slope, 1 - A @ omega), rcond=None)[0][:k]
    found: np.ndarray = B @ omega / np.min(Z @ B @ omega)
    return found
