"""Process groups of one process, and the wrappers that train in them."""

from __future__ import annotations

import contextlib

import pytest

import anadrome as ad
from anadrome import distributed as dist
from anadrome import nn
from anadrome.nn.parallel import DistributedDataParallel


@pytest.fixture
def world():
    dist.init_process_group("nccl", world_size=1, rank=0)
    yield dist.group.WORLD
    dist.destroy_process_group()
    assert not dist.is_initialized() and dist.group.WORLD is None


def test_a_group_of_one_process(world):
    assert dist.is_available() and dist.is_initialized()
    assert (dist.get_rank(), dist.get_world_size(), dist.get_backend()) == (0, 1, "nccl")
    group = dist.new_group([0], backend="gloo")
    assert (dist.get_rank(group), dist.get_backend(group)) == (0, "gloo")
    assert dist.get_process_group_ranks(group) == [0]
    with pytest.raises(ValueError, match="twice"):
        dist.init_process_group("gloo", world_size=1, rank=0)
    with pytest.raises(ValueError, match="rank 1 is not part of the group"):
        dist.new_group([0, 1])


def test_the_environment_says_how_many_processes(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(RuntimeError, match=r"2 processes were asked for.*\(WORLD_SIZE=1\)"):
        dist.init_process_group("gloo")
    monkeypatch.setenv("WORLD_SIZE", "1")
    with pytest.raises(ValueError, match="Invalid rank 1"):
        dist.init_process_group("gloo")
    monkeypatch.setenv("RANK", "0")
    dist.init_process_group()
    dist.destroy_process_group()
    monkeypatch.delenv("RANK")
    with pytest.raises(ValueError, match="environment variable RANK expected, but not set"):
        dist.init_process_group("gloo")


@pytest.mark.parametrize(
    "call",
    [
        dist.get_rank, dist.get_world_size, dist.barrier, dist.destroy_process_group,
        lambda: dist.all_reduce(ad.ones(1)), lambda: dist.all_gather_object([None], 1),
        lambda: DistributedDataParallel(nn.Linear(1, 1)),
        lambda: ad.utils.data.DistributedSampler(range(3)),
    ],
)  # fmt: skip
def test_nothing_works_before_a_group_is_started(call):
    with pytest.raises(ValueError, match="Default process group has not been initialized"):
        call()


def collected(L, dist):
    """What each collective leaves, in either library."""
    x = L.tensor([1.0, 2.0])
    out = {}
    for name in ("SUM", "AVG", "MAX", "PRODUCT"):
        if name != "AVG":  # PyTorch's gloo has none
            y = x.clone()
            work = dist.all_reduce(y, op=getattr(dist.ReduceOp, name), async_op=True)
            work.wait()
            out[name] = y.tolist(), work.is_completed()
    y = x.clone()
    out["broadcast"] = dist.broadcast(y, src=0), y.tolist()
    out["reduce"] = dist.reduce(y, 0), y.tolist()
    parts = [L.zeros(2)]
    out["all_gather"] = dist.all_gather(parts, x), parts[0].tolist()
    parts = [L.zeros(2)]
    out["gather"] = dist.gather(x, parts, dst=0), parts[0].tolist()
    y = L.zeros(2)
    out["scatter"] = dist.scatter(y, [x], src=0), y.tolist()
    y = L.zeros(2)
    out["into"] = dist.all_gather_into_tensor(y, x), y.tolist()
    values = [None]
    dist.all_gather_object(values, {"a": 1})
    out["objects"] = values
    dist.broadcast_object_list(values, src=0)
    out["object"] = values
    out["barrier"] = dist.barrier()
    for name, call in (
        ("lists", lambda: dist.all_gather([L.zeros(2), L.zeros(2)], x)),
        ("number", lambda: dist.all_reduce(1.0)),
        ("without", lambda: dist.scatter(y)),
    ):
        try:
            call()
        except Exception as error:
            out[name] = type(error).__name__
    return out


@pytest.mark.torch
def test_collectives_of_one_process(world, tmp_path):
    torch = pytest.importorskip("torch")
    theirs = torch.distributed
    theirs.init_process_group("gloo", init_method=f"file://{tmp_path}/s", world_size=1, rank=0)
    try:
        wanted = collected(torch, theirs)
    finally:
        theirs.destroy_process_group()
    assert collected(ad, dist) == wanted


def test_there_is_nobody_to_send_to(world):
    with pytest.raises(ValueError, match="send: there is no other process"):
        dist.send(ad.ones(1), 1)
    with pytest.raises(ValueError, match="broadcast: there is one process, of rank 0"):
        dist.broadcast(ad.ones(1), src=1)


def trained(wrap):
    ad.manual_seed(0)
    model = wrap(nn.Linear(3, 1))
    optimizer = ad.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        with model.no_sync() if hasattr(model, "no_sync") else contextlib.nullcontext():
            model(ad.arange(6.0).reshape(2, 3)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return model


def test_a_wrapped_model_trains_as_the_model_does(world):
    plain, wrapped = trained(lambda m: m), trained(DistributedDataParallel)
    assert list(wrapped.state_dict()) == ["module.weight", "module.bias"]
    assert ad.equal(wrapped.module.weight, plain.weight)
    assert wrapped.require_backward_grad_sync
    with pytest.raises(RuntimeError, match="doesn't have any parameters that require a gradient"):
        DistributedDataParallel(nn.Flatten())
    with pytest.raises(ValueError, match="runs on one device here, not on"):
        DistributedDataParallel(nn.Linear(1, 1), device_ids=[0, 1])


def test_the_sampler_takes_its_numbers_from_the_group(world):
    sampler = ad.utils.data.DistributedSampler(range(4), shuffle=False)
    assert (sampler.num_replicas, sampler.rank, list(sampler)) == (1, 0, [0, 1, 2, 3])


def test_the_parts_of_data_parallel():
    P = nn.parallel
    inner = nn.Linear(2, 1)
    x = ad.ones(3, 2)
    assert ad.equal(P.data_parallel(inner, x), inner(x))
    outputs = P.parallel_apply(P.replicate(inner, [0]), P.scatter((x,), [0]))
    assert ad.equal(P.gather(outputs, 0), inner(x))
    with pytest.raises(ValueError, match="runs on one device"):
        P.scatter((x,), [0, 1])


NAMES = (
    "broadcast reduce all_reduce gather all_gather scatter reduce_scatter all_to_all "
    "all_to_all_single"
)


@pytest.mark.parametrize("name", NAMES.split())
def test_the_differentiable_ones(world, name):
    from anadrome.distributed import nn as differentiable

    call = getattr(differentiable, name)
    assert getattr(differentiable.functional, name) is call
    x, to = ad.tensor([1.0, 2.0], requires_grad=True), ad.zeros(2)
    before = {"scatter": ([x],), "broadcast": (x, 0), "reduce": (x, 0),
              "reduce_scatter": (to, [x]), "all_to_all": ([to], [x]),
              "all_to_all_single": (to, x)}  # fmt: skip
    out = call(*before.get(name, (x,)))
    assert isinstance(out, tuple) == (name in ("gather", "all_gather", "all_to_all"))
    out = out[0] if isinstance(out, tuple) else out
    assert out is not x and out.tolist() == [1.0, 2.0]
    (out * ad.tensor([3.0, 4.0])).sum().backward()
    assert x.grad.tolist() == [3.0, 4.0]
    assert not to.requires_grad and to.tolist() == ([1.0, 2.0] if "_to_" in name or "_sc" in name
                                                    else [0.0, 0.0])  # fmt: skip


def test_the_differentiable_ones_need_a_group():
    with pytest.raises((RuntimeError, ValueError), match="init_process_group"):
        dist.nn.all_reduce(ad.ones(2))
