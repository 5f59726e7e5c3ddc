"""What the tests of classes that override functions share."""

from __future__ import annotations

import numpy as np

import anadrome as ad


def same(program):
    """Both libraries give the same; what the program has of Tensors is told by it."""
    import torch

    theirs, ours = program(torch), program(ad)
    assert ours == theirs
    return ours


def told(value):
    if isinstance(value, (list, tuple)):
        return [told(v) for v in value]
    if hasattr(value, "tolist"):
        numbers = np.round(np.asarray(value.detach().tolist(), np.float64), 4).tolist()
        return type(value).__name__, numbers
    return value


def tensor_class(L, log=None):
    """A subclass that notes which functions it is asked about."""

    class Noted(L.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            if log is not None:
                log.append((L.overrides.resolve_name(func), [t.__name__ for t in types]))
            return super().__torch_function__(func, types, args, kwargs or {})

    return Noted


def data(L, *more):
    return L.tensor([[1.0, 2.0], [3.0, 4.0]], **dict(more))
