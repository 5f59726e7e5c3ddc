"""What frameworks take from PyTorch's inner modules when they are imported, and then use."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import anadrome as ad


def test_futures_call_what_waits_for_them() -> None:
    from anadrome.futures import Future, collect_all, wait_all

    first: Any = Future()
    second: Any = Future()
    both = collect_all([first, second])
    after = first.then(lambda done: done.value() + 1)
    failed = second.then(lambda done: 1 / 0)
    with pytest.raises(RuntimeError, match="not there yet"):
        first.value()
    first.set_result(1)
    assert not both.done()
    second.set_exception(ValueError("bad"))
    assert both.done()
    assert after.wait() == 2
    with pytest.raises(ZeroDivisionError):
        failed.wait()
    with pytest.raises(ValueError, match="bad"):
        wait_all([first, second])
    with pytest.raises(RuntimeError, match="only once"):
        first.set_result(2)
    assert wait_all([]) == []


def test_tensors_end_to_end_and_apart() -> None:
    from anadrome._utils import _flatten_dense_tensors, _unflatten_dense_tensors

    parts = [ad.ones(2, 2), ad.zeros(3)]
    flat = _flatten_dense_tensors(parts)
    assert flat.tolist() == [1.0] * 4 + [0.0] * 3
    assert [p.shape for p in _unflatten_dense_tensors(flat, parts)] == [(2, 2), (3,)]


def test_names_of_many_processes_are_told_from_what_is_there() -> None:
    from anadrome.distributed._composable.fsdp import FSDPModule
    from anadrome.distributed.algorithms.join import Join
    from anadrome.distributed.fsdp import fully_shard
    from anadrome.distributed.tensor import DTensor

    model = ad.nn.Linear(2, 1)
    assert not isinstance(model, FSDPModule)
    assert not isinstance(model.weight, DTensor)
    with pytest.raises(ValueError, match="has not been initialized"):
        fully_shard(model)
    with Join([model]):
        pass
    with pytest.raises(ImportError):
        from anadrome.distributed.fsdp import nonsense  # noqa: F401


def test_backends_and_groups_by_name() -> None:
    d = ad.distributed
    assert d.Backend("NCCL") == d.Backend.NCCL == "nccl"
    with pytest.raises(ValueError, match="string-ish"):
        d.Backend(3)  # type: ignore[arg-type]
    assert d.GroupMember.WORLD is None
    d.init_process_group("gloo", world_size=1, rank=0)
    try:
        assert d.GroupMember.WORLD is d.group.WORLD is not None
        assert not d._rank_not_in_group(d.group.WORLD)
    finally:
        d.destroy_process_group()


def test_a_pass_over_a_loader_is_known_by_its_class() -> None:
    from anadrome.utils.data import dataloader as place

    loader = ad.utils.data.DataLoader(ad.utils.data.TensorDataset(ad.ones(4)), batch_size=2)
    assert isinstance(iter(loader), place._SingleProcessDataLoaderIter)
    assert isinstance(iter(loader), place._BaseDataLoaderIter)
    assert not isinstance(iter(loader), place._MultiProcessingDataLoaderIter)
    assert loader._dataset_kind == place._DatasetKind.Map
    assert loader._auto_collation


def test_ops_of_pytorch_by_their_names_are_keys_and_functions() -> None:
    from anadrome.places.library import ops

    add = ops.aten.add.Tensor
    assert add is ops.aten.add.Tensor
    assert add(ad.ones(2), 2).tolist() == [3.0, 3.0]
    assert ops.aten.relu.default(ad.tensor([-1.0, 2.0])).tolist() == [0.0, 2.0]
    assert {ops.aten._sparse_mm_reduce_impl.default: 1}
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        ops.aten.nonsense(1)


def test_a_run_program_can_go_through_the_names_of_a_module(tmp_path: Any) -> None:
    script = tmp_path / "names.py"
    script.write_text(
        "import torch\n"
        "kinds = [k for k, v in vars(torch.distributions).items() if isinstance(v, type)]\n"
        "print('Normal' in kinds, 'Wishart' in kinds, len(kinds) > 40)\n"
        "print('anadrome' in torch.__config__.show())\n"
        "from torch.distributions.transforms import _InverseTransform\n"
        "assert torch.ScriptModule is torch.jit.ScriptModule\n"
        "assert torch.Future is torch.futures.Future\n"
        "assert not isinstance(3, torch.PyTorchFileReader)\n"
        "from torch.serialization import MAP_LOCATION\n"
        "from torch.nn.modules.module import _IncompatibleKeys\n"
    )
    run = [sys.executable, "-m", "anadrome", "run", str(script)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True"] * 4, done.stderr


def test_a_wishart_of_two_types_draws_in_the_wider_one() -> None:
    """As PyTorch does: the degrees may be float32 beside a matrix of float64."""
    scale = ad.eye(2, dtype=ad.float64)
    assert ad.distributions.Wishart(ad.tensor(5.0), scale_tril=scale).sample().dtype is ad.float64


def test_kinds_of_trees_are_asked_for_as_in_pytorch() -> None:
    from collections import namedtuple

    from anadrome.utils._pytree import SUPPORTED_NODES, _get_node_type, tree_map

    Pair = namedtuple("Pair", "a b")
    assert _get_node_type(Pair(1, 2)) is namedtuple
    assert SUPPORTED_NODES[_get_node_type({"a": 1})].flatten_fn({"a": 1}) == ([1], ["a"])
    assert _get_node_type(3) not in SUPPORTED_NODES
    assert tree_map(lambda x: -x, Pair(1, [2])) == Pair(-1, [-2])


def test_a_divergence_may_be_registered_for_a_class_beside_distribution() -> None:
    """As in PyTorch: a library's distributions may derive from a class of its own."""

    class Theirs:
        pass

    class Sharp(Theirs):
        pass

    @ad.distributions.register_kl(Sharp, Theirs)
    def divergence(p: Sharp, q: Theirs) -> float:
        return 2.0

    assert ad.distributions.kl_divergence(Sharp(), Sharp()) == 2.0  # type: ignore[arg-type]


def test_the_arguments_of_to_are_told_apart() -> None:
    from anadrome._C import _get_accelerator, _get_default_device, _nn

    parse = _nn._parse_to
    cpu = ad.device("cpu")
    assert parse("cpu") == (cpu, None, False, None)
    assert parse(cpu, ad.float64, True) == (cpu, ad.float64, True, None)
    assert parse(ad.float16, non_blocking=True) == (None, ad.float16, True, None)
    assert parse(ad.ones(1, dtype=ad.float64)) == (cpu, ad.float64, False, None)
    assert parse(memory_format=ad.channels_last)[3] is ad.channels_last
    assert _get_default_device() == "cpu"
    assert _get_accelerator().type in ("cpu", "cuda")


def test_a_vmap_is_seen_from_inside() -> None:
    from anadrome._C import _are_functorch_transforms_active as active

    seen = []
    ad.func.vmap(lambda x: seen.append(active()) or x)(ad.ones(2))
    assert seen == [True]
    assert not active()


def test_remote_calls_are_those_of_a_build_without_them() -> None:
    from anadrome.distributed import autograd, rpc

    assert not rpc.is_available() and not autograd.is_available()
    assert not hasattr(rpc, "api")
    with pytest.raises(ImportError):
        from anadrome.distributed.rpc import init_rpc  # noqa: F401


def test_a_run_program_imports_what_frameworks_do(tmp_path: Any) -> None:
    script = tmp_path / "places.py"
    script.write_text(
        "import torch, torch.quantization\n"
        "from torch.functional import tensordot, einsum\n"
        "from torch.autograd.profiler import EventList, emit_nvtx, profile, record_function\n"
        "assert torch.torch is torch\n"
        "assert tensordot is torch.tensordot and einsum is torch.einsum\n"
        "assert not torch.profiler.kineto_available()\n"
        "from torch._subclasses.fake_tensor import FakeTensor, is_fake\n"
        "assert not is_fake(torch.ones(1)) and not isinstance(torch.ones(1), FakeTensor)\n"
        "class Own(torch.fx.Interpreter): pass\n"
        "from torch.fx.experimental.proxy_tensor import get_proxy_mode\n"
        "assert get_proxy_mode() is None\n"
        "from torch.amp.grad_scaler import OptState\n"
        "assert [s.value for s in OptState] == [0, 1, 2]\n"
        "assert torch.Stream is torch.cuda.Stream and torch.Event is torch.cuda.Event\n"
        "assert torch._dynamo.eval_frame.OptimizedModule is torch._dynamo.OptimizedModule\n"
        "with profile() as prof, emit_nvtx(), record_function('mine'):\n"
        "    assert torch.autograd._profiler_enabled()\n"
        "    torch.ones(2).exp()\n"
        "assert not torch.autograd._profiler_enabled()\n"
        "assert isinstance(prof.function_events, EventList)\n"
        "keys = [e.key for e in prof.function_events.key_averages(group_by_input_shapes=False)]\n"
        "print(keys)\n"
    )
    run = [sys.executable, "-m", "anadrome", "run", str(script)]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "['aten::exp', 'mine']", done.stderr


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["mps", "xpu", "mtia", "hpu", "xla", "cpu", "cuda", "nowhere"])
def test_autocast_is_asked_for_each_kind_of_device(kind: str) -> None:
    torch = pytest.importorskip("torch")
    if kind == "nowhere":
        for lib in (ad, torch):
            with pytest.raises(RuntimeError):
                lib.is_autocast_enabled(kind)
        return
    assert ad.is_autocast_enabled(kind) is torch.is_autocast_enabled(kind) is False


@pytest.mark.torch
def test_numbers_of_a_tensor_print_as_pytorchs_do_alone() -> None:
    torch = pytest.importorskip("torch")
    from anadrome import _tensor_str as ours

    theirs = torch._tensor_str
    x = [[1.5, -2.0], [1e-3, 4.0]]
    assert ours._tensor_str(ad.tensor(x), 3) == theirs._tensor_str(torch.tensor(x), 3)
    for newline in (False, True):
        args = ("A(1", ["size=2", "nnz=" + "9" * 80], 2)
        assert ours._add_suffixes(*args, newline) == theirs._add_suffixes(*args, newline)
    with ad.printoptions(threshold=7):
        assert ours.PRINT_OPTS.threshold == 7
    assert ours.PRINT_OPTS.precision == 4


def test_a_program_adds_types_to_the_table_of_collating() -> None:
    from anadrome.utils.data._utils.collate import (
        collate,
        collate_tensor_fn,
        default_collate_fn_map,
        np_str_obj_array_pattern,
    )  # fmt: skip

    class Graph:
        size = 3

    class Wide(dict):
        pass

    default_collate = ad.utils.data.default_collate
    with pytest.raises(TypeError, match="must contain tensors"):
        default_collate([Graph(), Graph()])
    default_collate_fn_map[Graph] = lambda batch, *, collate_fn_map: sum(g.size for g in batch)
    try:
        assert default_collate([{"g": Graph(), "n": 1}] * 2)["g"] == 6
    finally:
        del default_collate_fn_map[Graph]
    own = {ad.Tensor: lambda batch, *, collate_fn_map: list(batch), int: lambda b, **_: tuple(b)}
    assert collate([{"a": ad.ones(()), "b": 2}], collate_fn_map=own)["b"] == (2,)
    with pytest.raises(TypeError, match="must contain tensors"):
        collate([1.5], collate_fn_map=own)
    assert isinstance(default_collate([Wide(a=1), Wide(a=2)]), Wide)
    assert collate_tensor_fn([ad.ones(2), ad.zeros(2)]).tolist() == [[1.0, 1.0], [0.0, 0.0]]
    assert np_str_obj_array_pattern.search(np.array(["a"]).dtype.str)
    assert not np_str_obj_array_pattern.search(np.zeros(2).dtype.str)


def test_a_module_is_given_a_base_afterwards() -> None:
    """As fairseq does with what is decoded step by step."""

    class Mixin:
        def key(self) -> str:
            return "mixed"

    class Attention(ad.nn.Module):
        def forward(self, x: Any) -> Any:
            return x * 2

    Attention.__bases__ = (Mixin, *Attention.__bases__)
    attention: Any = Attention()
    assert attention.key() == "mixed"
    assert attention(ad.ones(1)).tolist() == [2.0]
    assert list(ad.nn.Sequential(attention).modules())[1] is attention


def test_what_compiles_is_imported_and_refuses_when_called() -> None:
    from anadrome import TensorType  # type: ignore[attr-defined]
    from anadrome.utils.cpp_extension import load

    with pytest.raises(RuntimeError, match="write a kernel of a backend"):
        load("ops", ["ops.cpp"])
    assert not isinstance(ad.ones(1), TensorType)
