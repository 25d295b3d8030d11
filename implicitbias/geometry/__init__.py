"""What an optimizer can prefer: potentials (mirror maps), norms and their duals."""

from .bregman import DualSolution, bregman_projection
from .norms import LpNorm, Norm, as_norm
from .potentials import Euclidean, Hypentropy, Mahalanobis, PNorm, Potential

__all__ = [
    "DualSolution",
    "Euclidean",
    "Hypentropy",
    "LpNorm",
    "Mahalanobis",
    "Norm",
    "PNorm",
    "Potential",
    "as_norm",
    "bregman_projection",
]
