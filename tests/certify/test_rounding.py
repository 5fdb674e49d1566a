"""The bounds of rounding errors hold against exact rational arithmetic, and are not absurdly wide."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.certify import rounding
from thalweg.certify.tube import _projection

SEEDS = st.integers(0, 10**6)


def exact(A):
    return [[Fraction(float(x)) for x in row] for row in np.atleast_2d(A)]


def positive_definite(A):
    """Decide by exact elimination whether a matrix of fractions is positive definite."""
    A = [row[:] for row in A]
    for k in range(len(A)):
        if A[k][k] <= 0:
            return False
        for i in range(k + 1, len(A)):
            factor = A[i][k] / A[k][k]
            A[i] = [a - factor * b for a, b in zip(A[i], A[k], strict=True)]
    return True


def shifted(A, s):
    return [[a - (s if i == j else 0) for j, a in enumerate(row)] for i, row in enumerate(exact(A))]


@settings(derandomize=True, max_examples=40, deadline=None)
@given(SEEDS)
def test_smallest_eigenvalue_is_proved_and_close(seed):
    rng = np.random.default_rng(seed)
    m = int(rng.integers(1, 7))
    B = rng.normal(size=(m, m)) * 10.0 ** rng.uniform(-6, 6)
    A = B @ B.T * (1 if rng.random() < 0.7 else -1)
    A = (A + A.T) / 2
    bound = rounding.smallest_eigenvalue(A)
    room = 1e-12 * np.abs(A).max() * m
    assert positive_definite(shifted(A, Fraction(bound) - Fraction(room) * Fraction(1, 1000)))
    assert not positive_definite(shifted(A, Fraction(bound) + Fraction(room)))


@pytest.mark.parametrize("m", [2, 5, 40])
def test_no_positive_eigenvalue_is_proved_of_a_singular_matrix(m):
    x = np.random.default_rng(m).normal(size=m)
    assert rounding.smallest_eigenvalue(np.eye(m) - np.outer(x, x) / (x @ x)) <= 0
    assert rounding.smallest_eigenvalue(np.ones((m, m))) <= 0


@pytest.mark.parametrize("A", [np.zeros((2, 2)), np.full((2, 2), np.nan), np.diag([1.0, np.inf])])
def test_nothing_is_proved_of_what_is_not_definite(A):
    assert not rounding.smallest_eigenvalue(A) > 0


@settings(derandomize=True, max_examples=40, deadline=None)
@given(SEEDS)
def test_products_and_norms_err_by_no_more_than_is_said(seed):
    rng = np.random.default_rng(seed)
    k, m, n = rng.integers(1, 9, 3)
    A, B = rng.normal(size=(k, m)), rng.normal(size=(m, n)) * 10.0 ** rng.uniform(-9, 9)
    true = [
        [sum(a * b for a, b in zip(row, col, strict=True)) for col in zip(*exact(B), strict=True)] for row in exact(A)
    ]
    squared = sum(
        (Fraction(float(c)) - t) ** 2
        for got, want in zip(A @ B, true, strict=True)
        for c, t in zip(got, want, strict=True)
    )
    allowed = rounding.product_error(int(m), rounding.norm(A), rounding.norm(B), int(k * n))
    assert squared <= Fraction(allowed) ** 2
    norm = sum(x * x for row in exact(B) for x in row)
    assert norm <= Fraction(rounding.norm(B)) ** 2 <= norm * Fraction(1 + 1e-13)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(SEEDS)
def test_inverse_norm_is_proved(seed):
    rng = np.random.default_rng(seed)
    m = int(rng.integers(1, 6))
    C = np.tril(rng.normal(size=(m, m))) + np.diag(rng.uniform(0.01, 3, m))
    if np.abs(np.diag(C)).min() < 1e-3:
        return
    bound = rounding.triangular_inverse_norm(C)
    true = np.linalg.norm(np.linalg.inv(C), 2)
    assert true * (1 - 1e-10) <= bound <= np.sqrt(m) * true * (1 + 1e-6)


def test_a_triangle_whose_diagonal_hides_its_condition():
    """For I minus the strict upper ones, ratios of the diagonal say 1 where the truth is exponential."""
    m = 40
    C = np.eye(m) - np.tril(np.ones((m, m)), -1)
    assert rounding.triangular_inverse_norm(C) >= 2.0 ** (m - 3)


@settings(derandomize=True, max_examples=30, deadline=None)
@given(SEEDS)
def test_projection_bounds_the_schur_complement(seed):
    """B^T A^-1 B <= G^T G + defect, decided in exact arithmetic; the defect is small where A is well conditioned."""
    rng = np.random.default_rng(seed)
    u, c = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    root = rng.normal(size=(u, u + 1)) * 10.0 ** rng.uniform(-3, 0, (u, 1))
    A, B = root @ root.T, rng.normal(size=(u, c))
    A = (A + A.T) / 2
    found = _projection(A, B)
    if found is None:
        return
    G, defect = found
    gap = [
        [sum(Fraction(float(G[k, i])) * Fraction(float(G[k, j])) for k in range(u)) for j in range(c)] for i in range(c)
    ]
    for i in range(c):
        gap[i][i] += Fraction(defect)
    # [[A, B], [B^T, gap]] is positive definite just if gap - B^T A^-1 B is.
    block = [row + other for row, other in zip(exact(A), exact(B), strict=True)]
    block += [row + other for row, other in zip(exact(B.T), gap, strict=True)]
    assert positive_definite(block)
