"""What functions of several results return; and names of programs that would train in parallel."""

from __future__ import annotations

import pickle

import pytest

import anadrome as ad
from anadrome import nn


def test_printed_as_pytorch_prints_it() -> None:
    found = ad.max(ad.tensor([[1.0, 5.0], [7.0, 2.0]]), dim=1)
    assert repr(found) == (
        "anadrome.return_types.max(\nvalues=tensor([5., 7.]),\nindices=tensor([1, 0]))"
    )
    assert found.values is found[0]


def test_linear_algebra_names_its_own() -> None:
    assert repr(ad.linalg.slogdet(ad.eye(2))).startswith("anadrome.return_types.linalg_slogdet(")


def test_pickled_as_a_tuple() -> None:
    values, indices = pickle.loads(pickle.dumps(ad.sort(ad.tensor([2.0, 1.0]))))
    assert (values.tolist(), indices.tolist()) == ([1.0, 2.0], [1, 0])


def test_data_parallel_is_a_wrapper(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = nn.Linear(2, 1)
    model = nn.DataParallel(inner, device_ids=[0])
    x = ad.ones(3, 2)
    assert ad.equal(model(x), inner(x))
    assert list(model.state_dict()) == ["module.weight", "module.bias"]
    nn.DataParallel(inner, device_ids=[0, 1])  # without a GPU they are not looked at
    monkeypatch.setattr(ad.cuda, "is_available", lambda: True)
    with pytest.raises(ValueError, match=r"a module runs on one device here, not on \[0, 1\]"):
        nn.DataParallel(inner, device_ids=[0, 1])


def test_a_group_of_processes_is_refused() -> None:
    assert not ad.distributed.is_initialized()
    with pytest.raises(RuntimeError, match="2 processes were asked for; anadrome trains in one"):
        ad.distributed.init_process_group("nccl", world_size=2, rank=0)
    with pytest.raises(ValueError, match="Default process group has not been initialized"):
        nn.parallel.DistributedDataParallel(nn.Linear(1, 1))


def test_variable_is_a_tensor() -> None:
    x = ad.autograd.Variable(ad.ones(2), requires_grad=True)
    assert x.requires_grad and x.is_leaf
    assert isinstance(ad.ones(1), ad.autograd.Variable)
    assert not ad.autograd.Variable(x).requires_grad
