"""Sobol sequences are PyTorch's, bit for bit."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import anadrome as ad

pytestmark = pytest.mark.torch


def engines(*args, **keywords):
    import torch

    return [ns.quasirandom.SobolEngine(*args, **keywords) for ns in (ad, torch)]


def same(ours, theirs):
    assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.parametrize("dimension", [1, 2, 3, 4, 5, 40, 1111, 21201])
def test_direction_numbers(dimension):
    ours, theirs = engines(dimension)
    same(ours.sobolstate, theirs.sobolstate)


@pytest.mark.parametrize("seed", [None, 0, 1234, -7, 2**40 + 5])
@pytest.mark.parametrize("dtype", [None, "float32", "float64"])
def test_points(seed, dtype):
    import torch

    ours, theirs = engines(5, scramble=seed is not None, seed=seed)
    for n in (1, 1, 2, 0, 13, 1000, 1):
        a, b = (ns and getattr(ns, dtype) if dtype else None for ns in (ad, torch))
        same(ours.draw(n, dtype=a), theirs.draw(n, dtype=b))
        assert ours.num_generated == theirs.num_generated
    for n in (0, 1, 7, 12345):
        same(ours.fast_forward(n).quasi, theirs.fast_forward(n).quasi)
        same(ours.draw(3), theirs.draw(3))
    same(ours.reset().draw_base2(4), theirs.reset().draw_base2(4))
    same(ours.draw_base2(4), theirs.draw_base2(4))
    for n in (0, 1, 5):
        same(ours.reset().fast_forward(n).draw(4), theirs.reset().fast_forward(n).draw(4))


def test_out_and_repr():
    import torch

    for given in ({}, {"scramble": True}, {"scramble": True, "seed": 3}):
        ours, theirs = engines(3, **given)
        assert repr(ours) == repr(theirs)
    ours, theirs = (
        e.draw(4, out=ns.zeros(1, dtype=ns.float64))
        for e, ns in zip(engines(3, scramble=True, seed=1), (ad, torch))
    )
    same(ours, theirs)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda ns: ns.quasirandom.SobolEngine(0),
        lambda ns: ns.quasirandom.SobolEngine(21202),
        lambda ns: ns.quasirandom.SobolEngine(2.5),
        lambda ns: ns.quasirandom.SobolEngine(2, True, "a"),
        lambda ns: ns.quasirandom.SobolEngine(2).draw(-1),
        lambda ns: ns.quasirandom.SobolEngine(2).draw(2.0),
        lambda ns: ns.quasirandom.SobolEngine(2).draw(2, dtype=ns.float16),
        lambda ns: ns.quasirandom.SobolEngine(2).fast_forward(3).draw_base2(3),
    ],
)
def test_refused_as_in_pytorch(wrong):
    import torch

    with pytest.raises(Exception) as theirs:
        wrong(torch)
    kind = theirs.type if theirs.type is not RuntimeError else (RuntimeError, TypeError)
    with pytest.raises(kind):
        wrong(ad)


def test_a_sequence_ends():
    engine = ad.quasirandom.SobolEngine(2).fast_forward(2**30)
    with pytest.raises(IndexError, match="has 2\\*\\*30 points"):
        engine.draw()


def test_scrambled_without_a_seed_by_the_default_generator():
    def drawn():
        ad.manual_seed(3)
        return ad.quasirandom.SobolEngine(6, scramble=True).draw(64)

    points = drawn().numpy()
    np.testing.assert_array_equal(points, drawn().numpy())
    for column in points.T:  # each 64th of the interval has one point
        assert sorted(np.floor(column * 64)) == list(range(64))


def test_engines_are_copied_and_kept():
    engine = ad.quasirandom.SobolEngine(3, scramble=True, seed=2)
    engine.draw(5)
    copies = [copy.deepcopy(engine), pickle.loads(pickle.dumps(engine))]
    expected = engine.draw(4).numpy()
    for other in copies:
        np.testing.assert_array_equal(other.draw(4).numpy(), expected)
