"""Immutable records, compared and hashed by content.

Every public object that describes something (a problem, a model, an optimizer, a setting) is a
frozen dataclass made by :func:`record`. Two of them are equal when their contents are, arrays
included; each can be written to a plain dictionary and read back, and so can be a key of a
sweep's data base, a line of a JSON file, or part of a saved run.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any, TypeVar, dataclass_transform

import numpy as np

__all__ = ["content_hash", "decode", "encode", "record"]

T = TypeVar("T", bound=type)
_REGISTRY: dict[str, type] = {}


@dataclass_transform(frozen_default=True, eq_default=False)
def record(cls: T) -> T:
    """Make ``cls`` a frozen dataclass with equality, hash and dictionary form by content."""
    made: Any = dataclasses.dataclass(frozen=True, eq=False)(cls)
    made.__hash__, made.__eq__ = _hash, _equal
    _REGISTRY[cls.__name__] = made
    return made


def _hash(self: Any) -> int:
    return int(content_hash(self)[:15], 16)


def _equal(self: Any, other: Any) -> bool:
    return type(self) is type(other) and content_hash(self) == content_hash(other)


def encode(value: Any, where: str = "value") -> Any:
    """Write a record, array or plain value as something JSON can hold; exact for float64."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if np.isfinite(value) else {"float": repr(value)}
    if isinstance(value, np.generic):
        return encode(value.item(), where)
    if isinstance(value, np.ndarray):
        flat = [encode(x.item()) for x in value.ravel()]
        return {"array": flat, "shape": list(value.shape), "dtype": str(value.dtype)}
    if isinstance(value, tuple | list):
        return {"tuple": [encode(v, f"{where}[{i}]") for i, v in enumerate(value)]}
    if isinstance(value, dict):
        return {"dict": {str(k): encode(v, f"{where}[{k!r}]") for k, v in value.items()}}
    if _REGISTRY.get(type(value).__name__) is type(value):
        fields = {k: encode(v, f"{where}.{k}") for k, v in _contents(value).items()}
        return {"type": type(value).__name__, **fields}
    raise TypeError(
        f"{where} is a {type(value).__name__}, which has no dictionary form; "
        "use one of the package's own objects or plain numbers there"
    )


def _contents(value: Any) -> dict[str, Any]:
    """The arguments that make this record again."""
    if hasattr(value, "contents"):
        return dict(value.contents())
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}


def decode(data: Any) -> Any:
    """Read back what :func:`encode` wrote."""
    if not isinstance(data, dict):
        return data
    if data.get("type") in _REGISTRY:
        return _REGISTRY[data["type"]](**{k: decode(v) for k, v in data.items() if k != "type"})
    if "float" in data:
        return float(data["float"])
    if "array" in data:
        flat = np.array([decode(x) for x in data["array"]], dtype=data["dtype"])
        return flat.reshape(data["shape"])
    if "tuple" in data:
        return tuple(decode(v) for v in data["tuple"])
    if "dict" in data:
        return {k: decode(v) for k, v in data["dict"].items()}
    raise ValueError(f"expected a dictionary written by implicitbias, got keys {sorted(data)}")


def content_hash(value: Any) -> str:
    """SHA-256 of the content, as hexadecimal digits.

    Objects of a user's own, which have no content this package knows, are told apart by their
    own ``hash``.
    """
    digest = hashlib.sha256()
    _feed(value, digest.update)
    return digest.hexdigest()


def _feed(value: Any, update: Any) -> None:
    if isinstance(value, np.ndarray):
        update(f"a{value.dtype}{value.shape}".encode())
        update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, tuple | list):
        update(f"t{len(value)}".encode())
        for v in value:
            _feed(v, update)
    elif isinstance(value, dict):
        update(f"d{len(value)}".encode())
        for k in sorted(value, key=str):
            _feed((str(k), value[k]), update)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        update(type(value).__qualname__.encode())
        _feed(_contents(value), update)
    elif isinstance(value, np.generic):
        _feed(value.item(), update)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        # 2, 2.0 and np.float64(2) are one number
        update(f"n{int(value) if float(value).is_integer() else value!r};".encode())
    elif value is None or isinstance(value, bool | str):
        update(f"{type(value).__name__}{value!r};".encode())
    else:
        update(f"o{type(value).__qualname__}{hash(value)};".encode())
