"""Philox 4×32-10 against the vectors published with Random123, and the two laws drawn from it."""

import numpy as np
import pytest

from implicitbias.kernels.philox import philox4x32, uniform, uniform_index

KNOWN = [  # (counter, key, output): the kat_vectors file of Random123
    (
        "00000000 00000000 00000000 00000000",
        "00000000 00000000",
        "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    ),
    (
        "ffffffff ffffffff ffffffff ffffffff",
        "ffffffff ffffffff",
        "408f276d 41c83b0e a20bc7c6 6d5451fd",
    ),
    (
        "243f6a88 85a308d3 13198a2e 03707344",
        "a4093822 299f31d0",
        "d16cfe09 94fdcceb 5001e420 24126ea1",
    ),
]


def words(text):
    return tuple(np.uint64(int(w, 16)) for w in text.split())


def python(kernel):
    return getattr(kernel, "py_func", kernel)


@pytest.mark.parametrize("call", [philox4x32, python(philox4x32)], ids=["compiled", "python"])
@pytest.mark.parametrize(("counter", "key", "output"), KNOWN)
def test_published_vectors(call, counter, key, output):
    assert tuple(int(w) for w in call(*words(counter), *words(key))) == tuple(int(w) for w in words(output))


@pytest.mark.parametrize("call", [uniform, python(uniform)], ids=["compiled", "python"])
def test_uniform_is_the_first_two_words(call):
    a, b = (int(w) for w in words(KNOWN[0][2])[:2])
    # 53 bits fit a float64: no tolerance
    assert call(0, 0, 0, 0) == (((a << 32) | b) >> 11) * 2.0**-53


def test_counter_words_are_step_and_slot():
    """Steps and slots beyond 32 bits reach the high words of the counter."""
    k, slot, key = 3 * 2**32 + 7, 11, (0xDEADBEEF, 0x12345678)
    a, b, _, _ = philox4x32(*(np.uint64(v) for v in (7, 3, 11, 0, *key)))
    assert uniform(k, slot, *key) == (((int(a) << 32) | int(b)) >> 11) * 2.0**-53


def test_compiled_and_python_draws_are_equal():
    for k in (0, 1, 1000, 2**40):
        for slot in range(4):
            assert uniform(k, slot, 5, 6) == python(uniform)(k, slot, 5, 6)
            assert uniform_index(k, slot, 17, 5, 6) == python(uniform_index)(k, slot, 17, 5, 6)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 16])
def test_indices_are_uniform(n):
    count = 20_000
    draws = np.array([uniform_index(k, 0, n, 1, 2) for k in range(count)])
    assert draws.min() >= 0
    assert draws.max() <= n - 1
    # six standard errors of each cell; one fixed key, so this either always passes or never
    error = np.sqrt(count * (1 / n) * (1 - 1 / n))
    assert np.all(np.abs(np.bincount(draws, minlength=n) - count / n) <= 6 * error)


def test_uniform_moments():
    draws = np.array([uniform(k, s, 3, 4) for k in range(5000) for s in range(4)])
    assert draws.min() >= 0
    assert draws.max() < 1
    # mean ½ and variance 1/12, each within six standard errors (variance of u² is 1/180)
    assert abs(draws.mean() - 0.5) <= 6 * np.sqrt(1 / 12 / draws.size)
    assert abs(np.mean((draws - 0.5) ** 2) - 1 / 12) <= 6 * np.sqrt(1 / 180 / draws.size)


def test_keys_and_slots_give_different_streams():
    draws = {uniform(k, s, a, b) for k in (0, 1) for s in (0, 1) for a in (0, 1) for b in (0, 1)}
    assert len(draws) == 16
