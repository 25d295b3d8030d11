"""Loading tables: text files, .npz files, and those that scikit-learn brings; every cell is checked."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..checks import real_array
from .tables import Table

__all__ = ["load_table"]

BUNDLED = ("breast_cancer", "diabetes", "digits", "iris", "wine")
MISSING = ("", "?", "na", "n/a", "nan", "null", "none")


def load_table(source: Any, target: str | None = None, drop: Sequence[str] = ()) -> Table:
    r"""A table from a file, or one of those that scikit-learn brings.

    Parameters
    ----------
    source : a .csv, .tsv or .txt file (separated by comma, semicolon, tab or blanks; a first line without a
        number names the columns, otherwise they are x1, x2, …), an .npz file with X and y (and names, if you
        like), or breast_cancer, diabetes, digits, iris, wine (these need the extra ``data``).
    target : name of the column to fit; None: the last one (of a table with a target of its own, that).
    drop : names of columns to leave out.

    Raises
    ------
    ValueError
        naming the row and the column of a cell that is missing, text or infinite; for columns that do not exist,
        rows of different lengths, and sources that are not known.
    ImportError
        where a table of scikit-learn is asked and scikit-learn is not installed.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "small.csv"
    >>> _ = file.write_text("dose,age,answer\n1,30,0.5\n2,35,0.9\n")
    >>> table = load_table(file)
    >>> table.names, table.target, table.X.tolist()
    (('dose', 'age'), 'answer', [[1.0, 30.0], [2.0, 35.0]])
    """
    path = Path(source)
    if str(source) in BUNDLED and not path.exists():
        values, names = _bundled(str(source))
    elif not path.is_file():
        raise ValueError(f"{str(source)!r} is neither a file nor one of the tables {', '.join(BUNDLED)}")
    elif path.suffix.lower() == ".npz":
        values, names = _from_npz(path)
    elif path.suffix.lower() in (".csv", ".tsv", ".txt"):
        values, names = _from_text(path, drop)
    else:
        raise ValueError(f"{path} has the suffix {path.suffix!r}; tables are .csv, .tsv, .txt or .npz files")
    return _with_target(str(source), values, names, target, drop)


def _with_target(
    source: str, values: np.ndarray, names: list[str], target: str | None, drop: Sequence[str]
) -> Table:
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ValueError(f"{source} has more than one column {twice[0]!r}: give each its own name")
    for name in (*drop, *([] if target is None else [target])):
        if name not in names:
            raise ValueError(f"{source} has no column {name!r}; it has {_listed(names)}")
    target = names[-1] if target is None else target
    kept = [j for j, n in enumerate(names) if n not in drop and n != target]
    if target in drop:
        raise ValueError(f"the target {target!r} cannot be dropped: name another one")
    if not kept:
        raise ValueError(f"{source} has no column beside the target {target!r}: at least one is needed")
    y = values[:, names.index(target)]
    return Table(values[:, kept], y, tuple(names[j] for j in kept), target, Path(source).name)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12])
    return shown if len(names) <= 12 else f"{shown}, … ({len(names)} in all)"


def _bundled(name: str) -> tuple[np.ndarray, list[str]]:
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError(
            f"the table {name!r} comes with scikit-learn: pip install 'implicitbias[data]', or give a file"
        ) from error
    data = getattr(datasets, f"load_{name}")()
    target = "progression" if name == "diabetes" else "class"
    names = [str(n).replace(" (cm)", "").replace(" ", "_") for n in data.feature_names]
    return np.column_stack([data.data, data.target]).astype(float), [*names, target]


def npz_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return {k: file[k] for k in file.files}
    except (ValueError, OSError) as error:
        raise ValueError(f"{path} cannot be read as an .npz file of plain arrays: {error}") from error


def _from_npz(path: Path) -> tuple[np.ndarray, list[str]]:
    held = npz_arrays(path)
    for key in ("X", "y"):
        if key not in held:
            raise ValueError(f"{path} holds {', '.join(held) or 'nothing'}; it must hold X (n, d) and y (n,)")
    X = real_array(f"X of {path}", held["X"], (None, None))
    y = real_array(f"y of {path}", held["y"], (len(X),), "(one target per row of X)")
    names = (
        [str(n) for n in held["names"].ravel()]
        if "names" in held
        else [f"x{j + 1}" for j in range(X.shape[1])]
    )
    if len(names) != X.shape[1]:
        raise ValueError(f"{path} has {len(names)} names for {X.shape[1]} columns of X")
    return np.column_stack([X, y]), [*names, "y"]


def _from_text(path: Path, drop: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Numbers of a separated text file; the columns of ``drop`` may hold anything."""
    lines = list(_lines(path))
    if not lines:
        raise ValueError(f"{path} is empty")
    first = lines[0][1]
    names = [f"x{j + 1}" for j in range(len(first))]
    words = [cell for cell in first if not _is_number(cell) and cell.lower() not in MISSING]
    numbers = [cell for cell in first if _is_number(cell) and cell.lower() not in MISSING]
    if words and numbers:
        raise ValueError(
            f"the first line of {path} holds words ({words[0]!r}) and numbers ({numbers[0]!r}): begin the file with "
            "a line of names, none of which is a number"
        )
    if words:
        names, lines = [cell or name for cell, name in zip(first, names)], lines[1:]
        if not lines:
            raise ValueError(f"{path} has a line of names and no rows")
    values = np.zeros((len(lines), len(names)))
    for i, (line, cells) in enumerate(lines):
        if len(cells) != len(names):
            raise ValueError(f"line {line} of {path} has {len(cells)} cells; the first line has {len(names)}")
        for j, cell in enumerate(cells):
            if names[j] not in drop:
                values[i, j] = _number(cell, f"line {line} of {path}, column {names[j]!r},")
    return values, names


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line number, stripped cells) of the lines that are not blank."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text file in UTF-8: {error}") from error
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=first.count)
    if not first.count(delimiter):
        yield from ((i, line.split()) for i, line in enumerate(text.splitlines(), 1) if line.strip())
        return
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield reader.line_num, [cell.strip() for cell in cells]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _number(cell: str, where: str) -> float:
    if cell.lower() in MISSING:
        raise ValueError(f"{where} is missing ({cell!r}): fill it in, or leave out the row or the column")
    try:
        value = float(cell)
    except ValueError:
        raise ValueError(
            f"{where} holds {cell!r:.40}, which is no number: encode it as numbers, or drop the column"
        ) from None
    if not math.isfinite(value):
        raise ValueError(f"{where} is {cell!r}; data must be finite")
    return value
