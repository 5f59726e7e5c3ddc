"""``distributed.fsdp`` of one process: names and training are those of the module itself."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import pytest
from oracle import numbers

import anadrome as ad

torch = pytest.importorskip("torch")
pytest.importorskip("torch.distributed.fsdp")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


@pytest.fixture
def world() -> Iterator[None]:
    torch.distributed.init_process_group(
        "gloo", store=torch.distributed.HashStore(), world_size=1, rank=0
    )
    ad.distributed.init_process_group("gloo", world_size=1, rank=0)
    yield
    torch.distributed.destroy_process_group()
    ad.distributed.destroy_process_group()


def model(L: Any) -> Any:
    return L.nn.Sequential(L.nn.Linear(3, 4), L.nn.Tanh(), L.nn.Linear(4, 1))


def test_names_are_those_of_pytorch(world: None) -> None:
    import torch.distributed.fsdp

    found = []
    for L in (ad, torch):
        F = L.distributed.fsdp
        device = L.device("cpu")
        wrapped = F.FullyShardedDataParallel(model(L), device_id=device, use_orig_params=True)
        with F.FullyShardedDataParallel.state_dict_type(
            wrapped, F.StateDictType.FULL_STATE_DICT, F.FullStateDictConfig(rank0_only=True)
        ):
            inside = list(wrapped.state_dict())
        found.append(
            [
                list(wrapped.state_dict()), inside, [n for n, _ in wrapped.named_parameters()],
                repr(wrapped), type(wrapped.module).__name__,
                [s.name for s in F.ShardingStrategy], [s.value for s in F.StateDictType],
                len(F.FullyShardedDataParallel.fsdp_modules(wrapped)),
            ]
        )  # fmt: skip
    assert found[0] == found[1]


def test_it_trains_as_the_module_does(world: None) -> None:
    from anadrome.distributed.fsdp import FullyShardedDataParallel as FSDP
    from anadrome.distributed.fsdp import fully_shard
    from anadrome.distributed.fsdp.wrap import size_based_auto_wrap_policy

    first = model(ad)
    state = {k: v.clone() for k, v in first.state_dict().items()}
    policy = functools.partial(size_based_auto_wrap_policy, min_num_params=5)
    losses = []
    for wrap in (lambda m: m, lambda m: FSDP(m, auto_wrap_policy=policy), fully_shard):
        net = wrap(model(ad))
        net.load_state_dict(state)
        optimizer = ad.optim.Adam(net.parameters(), 0.1)
        for step in range(4):
            optimizer.zero_grad()
            loss = net(ad.tensor(numbers(5, 3, seed=step)).float()).square().mean()
            loss.backward()
            if isinstance(net, FSDP):
                with net.no_sync():
                    assert net.clip_grad_norm_(1e9) > 0
            optimizer.step()
        losses.append((loss.item(), {k: v.tolist() for k, v in net.state_dict().items()}))
    assert losses[0] == losses[1] == losses[2]


def test_state_is_loaded_again(world: None) -> None:
    from anadrome.distributed.fsdp import FullyShardedDataParallel as FSDP

    outer = ad.nn.ModuleDict({"inside": FSDP(ad.nn.Sequential(FSDP(model(ad))))})
    assert next(iter(outer.state_dict())) == "inside.0.0.weight"
    again = ad.nn.ModuleDict({"inside": FSDP(ad.nn.Sequential(FSDP(model(ad))))})
    again.load_state_dict(outer.state_dict())
    assert ad.equal(again["inside"][0].module[0].weight, outer["inside"][0].module[0].weight)

    net = FSDP(model(ad))
    optimizer = ad.optim.Adam(net.parameters(), 0.1)
    net(ad.ones(1, 3)).sum().backward()
    optimizer.step()
    kept = FSDP.optim_state_dict(net, optimizer)
    assert set(kept["state"]) == set(net.state_dict()) == set(kept["param_groups"][0]["params"])
    back = FSDP.optim_state_dict_to_load(net, optimizer, kept)
    assert str(back) == str(optimizer.state_dict())


def test_fully_shard_keeps_the_module(world: None) -> None:
    for L in (ad, torch):
        F = L.distributed.fsdp
        mesh = L.distributed.init_device_mesh("cpu", (1,))
        net = F.fully_shard(model(L), mesh=mesh)
        assert isinstance(net, F.FSDPModule) and isinstance(net, L.nn.Sequential)
        assert type(net).__name__ == "FSDPSequential"
        net.set_requires_gradient_sync(False)
        assert next(iter(net.state_dict())) == "0.weight" and net(L.ones(2, 3)).shape == (2, 1)


def test_refused(world: None) -> None:
    F = ad.distributed.fsdp
    with pytest.raises(RuntimeError, match=r"param_dtype=anadrome.bfloat16.*amp.autocast"):
        F.FullyShardedDataParallel(
            model(ad), mixed_precision=F.MixedPrecision(param_dtype=ad.bfloat16)
        )
    with pytest.raises(AttributeError, match="nonsense"):
        F.FullyShardedDataParallel(model(ad)).nonsense  # noqa: B018
    with pytest.raises(AssertionError, match="no FullyShardedDataParallel"):
        F.FullyShardedDataParallel.get_state_dict_type(model(ad))


def test_zero_redundancy_steps_as_the_optimizer_within(world: None) -> None:
    import torch.distributed.optim

    from anadrome.places.sharding import ZeroRedundancyOptimizer

    found = []
    theirs = torch.distributed.optim.ZeroRedundancyOptimizer
    for L, Zero in ((ad, ZeroRedundancyOptimizer), (torch, theirs)):
        x, y = (L.tensor(v, requires_grad=True) for v in ([1.0, -2.0], [0.5]))
        optimizer = Zero([{"params": [x], "lr": 0.1}], L.optim.Adam, lr=0.2, weight_decay=0.1)
        schedule = L.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
        optimizer.add_param_group({"params": [y]})
        for _ in range(3):
            optimizer.zero_grad()
            ((x * x).sum() * y).sum().backward()
            optimizer.step()
        schedule.step()
        with pytest.raises(RuntimeError, match="has not been consolidated on this rank"):
            optimizer.state_dict()
        optimizer.consolidate_state_dict()
        kept = optimizer.state_dict()
        optimizer.load_state_dict(kept)
        loss = optimizer.step(lambda: x.sum())
        found.append(
            [
                x.detach().numpy(), y.detach().numpy(), loss.item(), sorted(kept["state"]),
                [g["lr"] for g in optimizer.param_groups],
                [g["lr"] for g in optimizer.optim.param_groups],
                isinstance(optimizer, L.optim.Optimizer), type(optimizer.optim).__name__,
            ]
        )  # fmt: skip
    for mine, wanted in zip(*found):
        assert mine == (wanted if isinstance(mine, str) else pytest.approx(wanted))
