"""What is fitted: data and a loss, as functions of the predictor w."""

from .base import Problem
from .classification import Classification
from .matrix import MatrixCompletion, MatrixRegression
from .regression import Regression

__all__ = ["Classification", "MatrixCompletion", "MatrixRegression", "Problem", "Regression"]
