"""What tests of pipes have in common: programs that either library runs, and their outcome."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")


class Places:
    """The modules of one library."""

    def __init__(self, L: Any) -> None:
        self.L = L
        self.data = L.utils.data
        if L is ad:
            from anadrome.utils.data import graph, graph_settings
            from anadrome.utils.data.datapipes import iter, map
        else:
            from torch.utils.data import graph, graph_settings
            from torch.utils.data.datapipes import iter, map
        self.iter, self.map, self.graph, self.settings = iter, map, graph, graph_settings


def plain(value: Any) -> Any:
    if isinstance(value, (ad.Tensor, torch.Tensor)):
        return str(value.dtype).rpartition(".")[2], value.tolist()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [plain(v) for v in value]
    return value


def outcome(program: Any, L: Any) -> Any:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            found = plain(program(Places(L)))
        except Exception as error:
            found = type(error).__name__, str(error).split("\n")[0]
    return found, [(w.category, str(w.message)) for w in told]


def same(program: Any) -> Any:
    ours, theirs = outcome(program, ad), outcome(program, torch)
    assert ours == theirs
    return ours


def add_one(x: Any) -> Any:
    return x + 1


def add(x: Any, y: Any) -> Any:
    return x + y


def is_even(x: Any) -> bool:
    return x % 2 == 0


def parity(x: Any) -> Any:
    return x % 2


def first(x: Any) -> Any:
    return x[0]


def needs_keyword(x: Any, *, y: Any) -> Any:
    return x


def rows(p: Any, n: int = 7) -> Any:
    return p.iter.IterableWrapper(range(n))


def triples(p: Any) -> Any:
    return p.iter.IterableWrapper([(i, 10 * i, 100 * i) for i in range(4)])
