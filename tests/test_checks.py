"""The door: what a user's arrays and numbers become, or why they are refused."""

import numpy as np
import pytest

from implicitbias.checks import positive, real_array, whole


@pytest.mark.parametrize(
    "value",
    [
        [[1, 2], [3, 4]],
        ((1.0, 2.0), (3.0, 4.0)),
        np.array([[1, 2], [3, 4]], dtype=np.int8),
        np.array([[1, 2], [3, 4]], dtype=np.float32),
        np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]),
        np.array([[1.0, 9, 2.0], [3.0, 9, 4.0]])[:, ::2],
        np.array([[1, 2], [3, 4]], dtype=">f8"),
    ],
    ids=["lists", "tuples", "int8", "float32", "fortran", "strided", "big-endian"],
)
def test_real_arrays_are_coerced(value):
    array = real_array("X", value)
    assert array.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert array.dtype == np.dtype(float)
    assert array.dtype.isnative
    assert array.flags.c_contiguous
    assert not array.flags.writeable


def test_a_copy_is_made():
    value = np.ones(3)
    array = real_array("y", value)
    value[0] = 2.0
    assert array[0] == 1.0
    assert value.flags.writeable


REFUSED = {
    "a word": ("three", "X must be an array of real numbers, got 'three'"),
    "an object": (object(), "X must be an array of real numbers"),
    "ragged": ([[1.0], [1.0, 2.0]], "X must be an array of real numbers"),
    "complex numbers": ([1.0 + 2.0j], "X must be an array of real numbers"),
    "a complex array": (np.array([1.0 + 2.0j]), "X must be an array of real numbers"),
    "numbers as text": (np.array(["1.5", "2.5"]), "X must be an array of real numbers"),
    "NaN": ([0.0, np.nan], r"X\[1\] is nan; data must be finite"),
    "inf": ([[0.0, -np.inf]], r"X\[0, 1\] is -inf"),
    "nothing": ([], r"X is empty: shape \(0,\)"),
    "an empty extent": (np.empty((3, 0)), r"X is empty: shape \(3, 0\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    value, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        real_array("X", value)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((3,), r"y has shape \(2, 2\); expected \(3\) as asked"),
        ((2, 3), r"expected \(2, 3\)"),
        ((None, 1), r"expected \(·, 1\)"),
        ((None, None, None), r"expected \(·, ·, ·\)"),
    ],
)
def test_shapes(shape, message):
    with pytest.raises(ValueError, match=message):
        real_array("y", np.ones((2, 2)), shape, "as asked")
    assert real_array("y", np.ones((2, 2)), (None, 2)).shape == (2, 2)


@pytest.mark.parametrize("value", [1, 0.5, np.float32(0.25), np.int64(3), 5e-324])
def test_positive_numbers(value):
    number = positive("step", value)
    assert type(number) is float
    assert number == value


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0, "step must be finite and > 0, got 0"),
        (-0.1, "step must be finite and > 0, got -0.1"),
        (np.inf, "got inf"),
        (np.nan, "got nan"),
        ("x", "step must be finite and > 0, got 'x'"),
        (None, "step must be finite and > 0, got None"),
        (1j, "step must be finite and > 0"),
        ([1.0, 2.0], "step must be finite and > 0"),
    ],
)
def test_numbers_that_are_not_positive(value, message):
    with pytest.raises(ValueError, match=message):
        positive("step", value)


@pytest.mark.parametrize("value", ["0.5", b"1", True + 0.5j])
def test_numbers_as_text_are_no_numbers(value):
    with pytest.raises(ValueError, match="x must be finite and > 0"):
        positive("x", value)


def test_whole_numbers():
    assert whole("n", np.int64(3), 2) == whole("n", 3.0, 3) == 3
    for value in (2.5, 1, np.nan, "3", None):
        with pytest.raises(ValueError, match="n must be an integer ≥ 2"):
            whole("n", value, 2)
