"""Functions of x written as text: parsed into arithmetic, never evaluated as code."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from ..geometry.entropies import log1p, log_cosh
from ..records import record

__all__ = ["Expression"]

Pair = tuple[Any, Any]
"""f(x) and f′(x)."""
Node = Callable[[Any], Pair]
Function = Callable[[Any], Any]


def _sign(x: Any) -> Any:
    return np.sign(np.real(x))


def _abs(x: Any) -> Any:
    """|x|, analytic on either side of zero."""
    return _sign(x) * x


def _softplus(x: Any) -> Any:
    """ln(1 + eˣ)."""
    return np.where(np.real(x) > 0, x, 0.0) + log1p(np.exp(-_abs(x)))


FUNCTIONS: dict[str, tuple[Function, Function]] = {
    "abs": (_abs, _sign),
    "sign": (_sign, lambda u: 0.0 * u),
    "sqrt": (np.sqrt, lambda u: 0.5 / np.sqrt(u)),
    "exp": (np.exp, np.exp),
    "expm1": (np.expm1, np.exp),
    "log": (np.log, lambda u: 1 / u),
    "log1p": (log1p, lambda u: 1 / (1 + u)),
    "sin": (np.sin, np.cos),
    "cos": (np.cos, lambda u: -np.sin(u)),
    "tan": (np.tan, lambda u: 1 + np.tan(u) ** 2),
    "sinh": (np.sinh, np.cosh),
    "cosh": (np.cosh, np.sinh),
    "tanh": (np.tanh, lambda u: 1 / np.cosh(u) ** 2),
    "arcsin": (np.arcsin, lambda u: 1 / np.sqrt(1 - u * u)),
    "arccos": (np.arccos, lambda u: -1 / np.sqrt(1 - u * u)),
    "arctan": (np.arctan, lambda u: 1 / (1 + u * u)),
    "arcsinh": (np.arcsinh, lambda u: 1 / np.sqrt(1 + u * u)),
    "arccosh": (np.arccosh, lambda u: 1 / np.sqrt((u - 1) * (u + 1))),
    "arctanh": (np.arctanh, lambda u: 1 / (1 - u * u)),
}
"""Each with its derivative."""
LOG_OF: dict[str, tuple[Function, Function]] = {
    "cosh": (lambda u: log_cosh(_abs(u)), np.tanh),
    "1 + exp": (_softplus, lambda u: 1 / (1 + np.exp(-u))),
}
"""Logarithms that do not overflow where what they are of does."""
CONSTANTS = {"pi": np.float64(np.pi), "e": np.float64(np.e)}
ARITHMETIC: dict[type, Callable[[Any, Any, Any, Any], Pair]] = {
    ast.Add: lambda a, da, b, db: (a + b, da + db),
    ast.Sub: lambda a, da, b, db: (a - b, da - db),
    ast.Mult: lambda a, da, b, db: (a * b, da * b + a * db),
    ast.Div: lambda a, da, b, db: (a / b, (da - a / b * db) / b),
    ast.Pow: lambda a, da, b, db: (a**b, a**b * (db * np.log(a) + b * da / a)),
}
"""(f ∘ g, its derivative) from f, f′, g, g′."""


@record
class Expression:
    """The function x ↦ f(x), entry by entry, that a text such as "log(cosh(x))" writes.

    It may hold numbers, x, pi and e, + − * / **, parentheses, and abs, sign, sqrt, exp, expm1, log, log1p, sin, cos,
    tan, sinh, cosh, tanh, and these with arc. Complex x are welcome: abs and sign are those of the side on which the
    real part lies. log(cosh(·)) and log(1 + exp(·)) do not overflow. ``derivative`` is f′, exact to rounding.

    Raises
    ------
    ValueError
        naming what cannot be read, and where; for a text without x.

    Examples
    --------
    >>> f = Expression("log(cosh(x))")
    >>> f(np.array([0.0, 1000.0])).round(3)
    array([  0.   , 999.307])
    >>> float(f.derivative(0.5) / np.tanh(0.5))
    1.0
    >>> Expression("2*y")
    Traceback (most recent call last):
    ValueError: the expression "2*y" has an unknown name y at position 2; known are x, pi, e
    """

    text: str

    def __post_init__(self) -> None:
        _ = self._node

    def __call__(self, x: Any) -> np.ndarray:
        return self._both(x)[0]

    @property
    def derivative(self) -> Derivative:
        """f′, a function of x too."""
        return Derivative(self.text)

    def _both(self, x: Any) -> tuple[np.ndarray, np.ndarray]:
        x = np.asarray(x)
        with np.errstate(all="ignore"):
            f, slope = self._node(x if x.dtype.kind == "c" else x.astype(float))
        return np.asarray(f), np.broadcast_to(slope, x.shape)

    @cached_property
    def _node(self) -> Node:
        tree = _tree(self.text)
        try:
            node = _compiled(tree, self.text)
        except RecursionError:
            raise ValueError(f"{_named(self.text)} is nested too deeply") from None
        if not _has_x(tree):
            raise ValueError(f"{_named(self.text)} is not one of x")
        return node

    def __getstate__(self) -> dict[str, Any]:
        return {"text": self.text}


@record
class Derivative:
    """x ↦ f′(x) of an :class:`Expression`, given by the text of f; NaN where f is.

    >>> Derivative("x**3")(np.array([1.0, 2.0]))
    array([ 3., 12.])
    """

    text: str

    def __post_init__(self) -> None:
        _ = self._expression

    def __call__(self, x: Any) -> np.ndarray:
        f, slope = self._expression._both(x)
        return np.where(np.isfinite(f), slope, np.nan)

    @cached_property
    def _expression(self) -> Expression:
        return Expression(self.text)


def _named(text: Any) -> str:
    return f'the expression "{text:.60}"'


def _tree(text: Any) -> ast.expr:
    if not isinstance(text, str):
        raise ValueError(f"an expression is a text such as 'log(cosh(x))', got {text!r:.80}")
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        at = getattr(error, "offset", None)
        where = f" at position {at - 1}" if at else ""
        raise ValueError(f"{_named(text)} cannot be read{where}") from None


def _has_x(tree: ast.AST) -> bool:
    return any(isinstance(node, ast.Name) and node.id == "x" for node in ast.walk(tree))


def _compiled(node: ast.expr, text: str) -> Node:
    """The function x ↦ (f, f′) that a node of the tree stands for."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            constant = np.float64(value)  # overflows and divides as arrays do
            return lambda x: (constant, 0.0)
        case ast.Name(id="x"):
            return lambda x: (x, np.ones_like(x))
        case ast.Name(id=name) if name in CONSTANTS:
            return lambda x: (CONSTANTS[name], 0.0)
        case ast.UnaryOp(op=ast.UAdd()):
            return _compiled(node.operand, text)
        case ast.UnaryOp(op=ast.USub()):
            inner = _compiled(node.operand, text)
            return lambda x: (-(pair := inner(x))[0], -pair[1])
        case ast.BinOp(op=ast.Pow()) if not _has_x(node.right):
            return _power(_compiled(node.left, text), _compiled(node.right, text))
        case ast.BinOp() if type(node.op) in ARITHMETIC:
            left, right, rule = (
                _compiled(node.left, text),
                _compiled(node.right, text),
                ARITHMETIC[type(node.op)],
            )
            return lambda x: rule(*left(x), *right(x))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
            outer = FUNCTIONS[name]
            if name == "log" and (inside := _overflowing(argument)) is not None:
                outer, argument = inside
            return _chain(outer, _compiled(argument, text))
    raise _unknown(node, text)


def _power(base: Node, exponent: Node) -> Node:
    """A power whose exponent does not depend on x: its derivative needs no logarithm of the base."""

    def pair(x: Any) -> Pair:
        (a, da), (b, _) = base(x), exponent(x)
        return a**b, b * a ** (b - 1) * da

    return pair


def _chain(outer: tuple[Function, Function], inner: Node) -> Node:
    def pair(x: Any) -> Pair:
        u, du = inner(x)
        return outer[0](u), outer[1](u) * du

    return pair


def _overflowing(node: ast.expr) -> tuple[tuple[Function, Function], ast.expr] | None:
    """How to take the logarithm of cosh(u), of 1 + exp(u) and of exp(u) + 1, and u."""
    match node:
        case ast.Call(func=ast.Name(id="cosh"), args=[u], keywords=[]):
            return LOG_OF["cosh"], u
        case ast.BinOp(
            ast.Constant(value=1), ast.Add(), ast.Call(func=ast.Name(id="exp"), args=[u], keywords=[])
        ) | ast.BinOp(
            ast.Call(func=ast.Name(id="exp"), args=[u], keywords=[]), ast.Add(), ast.Constant(value=1)
        ):
            return LOG_OF["1 + exp"], u
    return None


def _unknown(node: ast.expr, text: str) -> ValueError:
    at = f"at position {node.col_offset}"
    match node:
        case ast.Name(id=name):
            return ValueError(f"{_named(text)} has an unknown name {name} {at}; known are x, pi, e")
        case ast.Call(func=ast.Name(id=name)) if name in FUNCTIONS:
            return ValueError(f"{_named(text)}: {name} takes one argument, {at}")
        case ast.Call(func=ast.Name(id=name)):
            known = ", ".join(FUNCTIONS)
            return ValueError(f"{_named(text)} has an unknown function {name} {at}; known are {known}")
    return ValueError(f"{_named(text)} holds {ast.unparse(node)!r:.40} {at}, which is no arithmetic of x")
