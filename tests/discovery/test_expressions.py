"""Expressions of x: read, differentiated, and refused."""

import pickle

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.discovery.expressions import Derivative, Expression

X = np.array([0.3, 1.2, 2.5])
BY_HAND = {
    "x": (X, np.ones(3)),
    "-x**3 + 2*x": (2 * X - X**3, 2 - 3 * X**2),
    "2 ** x": (2**X, np.log(2) * 2**X),
    "x**x": (X**X, X**X * (np.log(X) + 1)),
    "x*log(x) - x": (X * np.log(X) - X, np.log(X)),
    "abs(-x)**1.5": (X**1.5, 1.5 * X**0.5),
    "sqrt(1 + x*x)": (np.hypot(1, X), X / np.hypot(1, X)),
    "exp(-x)/(1 + x)": (np.exp(-X) / (1 + X), -np.exp(-X) * (2 + X) / (1 + X) ** 2),
    "pi*sin(e*x)": (np.pi * np.sin(np.e * X), np.pi * np.e * np.cos(np.e * X)),
    "log(cosh(x))": (np.log(np.cosh(X)), np.tanh(X)),
    "log(1 + exp(2*x))": (np.log1p(np.exp(2 * X)), 2 / (1 + np.exp(-2 * X))),
    "log(exp(x) + 1)": (np.log1p(np.exp(X)), 1 / (1 + np.exp(-X))),
    "x*arcsinh(x) - sqrt(1 + x**2)": (X * np.arcsinh(X) - np.hypot(1, X), np.arcsinh(X)),
}


@pytest.mark.parametrize("text", BY_HAND)
def test_values_and_derivatives_by_hand(text):
    f, slope = BY_HAND[text]
    expression = Expression(text)
    # a few roundings of terms up to 20 times the result
    np.testing.assert_allclose(expression(X), f, rtol=2e-14)
    np.testing.assert_allclose(expression.derivative(X), slope, rtol=2e-14)


NAMES = (
    "abs",
    "sqrt",
    "exp",
    "expm1",
    "log",
    "log1p",
    "sin",
    "cos",
    "tan",
    "sinh",
    "cosh",
    "tanh",
    "arcsin",
    "arccos",
)
NAMES += ("arctan", "arcsinh", "arctanh")


@pytest.mark.parametrize("name", NAMES)
def test_derivatives_of_the_functions_are_their_complex_steps(name, complex_step):
    x = np.array([0.2, 0.7])
    f = Expression(f"{name}(x)")
    slopes = np.diag(complex_step(f, x))
    np.testing.assert_allclose(f.derivative(x), slopes, rtol=1e-14)


def test_derivative_of_arccosh(complex_step):
    f = Expression("arccosh(x)")
    np.testing.assert_allclose(f.derivative(X[1:]), np.diag(complex_step(f, X[1:])), rtol=1e-13)


def test_logarithms_of_what_overflows():
    big = np.array([-1e3, 1e3])
    np.testing.assert_allclose(Expression("log(cosh(x))")(big), 1e3 - np.log(2), rtol=1e-15)
    np.testing.assert_allclose(Expression("log(1 + exp(x))")(big), [0.0, 1e3], rtol=1e-15)
    # x²/2 to relative precision
    np.testing.assert_allclose(Expression("log(cosh(x))")(np.array([1e-9])), 5e-19, rtol=1e-14)


def test_they_are_records_that_travel():
    f = Expression("log(cosh(x))")
    for one in (f, f.derivative):
        again = pickle.loads(pickle.dumps(one))
        assert again == one
        assert (again(X) == one(X)).all()
    assert f.derivative == Derivative("log(cosh(x))") != Derivative("cosh(x)")


def test_a_potential_of_an_expression():
    psi = ib.Potential.from_gradient(Expression("log(cosh(x))").derivative)
    w = np.array([-17.0, -0.3, 0.0, 2.0])
    assert psi.separable
    np.testing.assert_allclose(psi.gradient(w), np.tanh(w), rtol=1e-15)
    np.testing.assert_allclose(psi.hessian(w), np.cosh(w) ** -2.0, rtol=1e-14)  # in the tail too


BAD = {
    "2*y": r"unknown name y at position 2; known are x, pi, e",
    "open('x')": r"unknown function open at position 0; known are abs, sign",
    "__import__('os').system('x')": r"holds .* at position 0, which is no arithmetic of x",
    "x.real + 1": r"holds 'x.real' at position 0",
    "1 + (x if x else 1)": r"holds 'x if x else 1' at position 5",
    "x^2": r"holds 'x \^ 2' at position 0",
    "[x]": r"holds '\[x\]'",
    "lambda: x": r"no arithmetic of x",
    "x and 1": r"no arithmetic of x",
    "True*x": r"holds 'True'",
    "1j*x": r"holds '1j'",
    "'x'": r"no arithmetic of x",
    "log(x, 2)": r"log takes one argument, at position 0",
    "1 + cosh()": r"cosh takes one argument, at position 4",
    "log(x": r"cannot be read at position 3",
    "x\n+1": r"cannot be read",
    "": r"cannot be read",
    "3": r"the expression \"3\" is not one of x",
    "pi*e": r"is not one of x",
    "-" * 5000 + "x": r"cannot be read|nested too deeply",
}


@pytest.mark.parametrize("text", BAD)
def test_what_is_no_expression_is_refused_by_name_and_place(text):
    with pytest.raises(ValueError, match=BAD[text]):
        Expression(text)
    with pytest.raises(ValueError, match=BAD[text]):
        Derivative(text)


def test_an_expression_is_a_text():
    with pytest.raises(ValueError, match="an expression is a text"):
        Expression(3)


def test_numbers_overflow_as_arrays_do():
    assert np.isinf(Expression("9**9**9**9 * x")(X)).all()
    assert np.isinf(Expression("x/0")(X)).all()
