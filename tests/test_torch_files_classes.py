"""PyTorch's files of Tensors that are of a program's own class."""

from __future__ import annotations

import io
import pickle

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


class Tagged(torch.Tensor):
    """PyTorch's twin of ``OwnTagged``."""


class OwnTagged(ad.Tensor):
    """A program's own class of Tensor."""


def test_a_tensor_of_ones_own_class(tmp_path):
    def program(L, kind):
        path = tmp_path / L.__name__
        x = L.arange(4.0).as_subclass(kind)
        x.tag = {"place": 3}
        L.save({"x": x, "again": x, "plain": L.ones(2), "p": L.nn.Parameter(x[:2])}, path)
        with pytest.raises(pickle.UnpicklingError):
            L.load(path)
        found = L.load(path, weights_only=False)
        same = found["x"] is found["again"]
        kinds = [type(v) is kind for v in found.values()]
        return same, kinds, found["x"].tag, found["x"].tolist(), found["p"].requires_grad

    assert program(ad, OwnTagged) == program(torch, Tagged)


def test_a_tensor_of_ones_own_class_that_pytorch_wrote(tmp_path, monkeypatch):
    x = torch.arange(4.0).as_subclass(Tagged)
    x.tag = 7
    torch.save(x, tmp_path / "file")
    monkeypatch.setitem(globals(), "Tagged", OwnTagged)
    found = ad.load(tmp_path / "file", weights_only=False)
    assert (type(found), found.tag, found.tolist()) == (OwnTagged, 7, [0.0, 1.0, 2.0, 3.0])


class Weight(torch.nn.Parameter):
    """PyTorch's twin of ``OwnWeight``."""


class OwnWeight(ad.nn.Parameter):
    """A program's own class of Parameter."""


def test_a_parameter_of_ones_own_class_is_a_leaf():
    def program(L, kind):
        model = L.nn.Linear(2, 2)
        model.weight = kind(L.ones(2, 2))
        model.weight.tag = "kept"
        found = []
        for value in (model.weight, model.state_dict(), model):
            file = io.BytesIO()
            L.save(value, file)
            file.seek(0)
            read = L.load(file, weights_only=False)
            weight = read.weight if hasattr(read, "weight") else read
            weight = weight["weight"] if isinstance(weight, dict) else weight
            tag = getattr(weight, "tag", None)
            found.append((weight.is_leaf, weight.requires_grad, weight.tolist(), tag))
        return found

    assert program(ad, OwnWeight) == program(torch, Weight)
