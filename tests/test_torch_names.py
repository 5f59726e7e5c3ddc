"""Names that PyTorch's programs import, and the places they import them from."""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict, namedtuple

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

Pair = namedtuple("Pair", "a b")


@pytest.mark.parametrize("name", ["e", "inf", "nan", "newaxis", "pi"])
def test_constants(name):
    assert getattr(ad, name) is getattr(torch, name) or getattr(ad, name) == getattr(torch, name)


@pytest.mark.parametrize(
    "tree",
    [1, [1, (2, 3)], {"b": 1, "a": [2]}, OrderedDict(x=(1,), y={}), [None, Pair(1, [2])], []],
)
def test_trees(tree):
    from torch.utils import _pytree as theirs

    from anadrome.utils import _pytree as ours

    def double(x):
        return None if x is None else 2 * x

    assert ours.tree_map(double, tree) == theirs.tree_map(double, tree)
    found, wanted = ours.tree_flatten(tree), theirs.tree_flatten(tree)
    assert found[0] == wanted[0] == ours.tree_leaves(tree)
    changed = [(x,) for x in found[0]]
    assert ours.tree_unflatten(changed, found[1]) == theirs.tree_unflatten(changed, wanted[1])
    assert ours.tree_map_only(int, str, tree) == theirs.tree_map_only(int, str, tree)
    assert type(ours.tree_map(double, tree)) is type(tree)


def test_trees_of_two_forms():
    from anadrome.utils import _pytree as ours

    assert ours.tree_map(max, [1, (5, 3)], [4, (2, 9)]) == [4, (5, 9)]
    with pytest.raises(ValueError, match="Node arity mismatch; expected 2, but got 3"):
        ours.tree_map(max, [1, 2], [1, 2, 3])


@pytest.mark.parametrize("value", [3, (1, 2), [4, 5, 6]])
def test_tuples_for_each_dimension(value):
    from torch.nn.modules import utils as theirs

    from anadrome.nn.modules import utils as ours

    for name in ("_single", "_pair", "_triple", "_quadruple"):
        assert getattr(ours, name)(value) == getattr(theirs, name)(value)
        assert getattr(ours, name).__name__ == getattr(theirs, name).__name__
    assert ours._reverse_repeat_tuple((1, 2), 2) == theirs._reverse_repeat_tuple((1, 2), 2)


def test_types_to_annotate_with():
    from anadrome.nn import common_types
    from anadrome.types import Device, Number

    assert isinstance(3, Number) and not isinstance("3", Number)
    assert isinstance(ad.device("cpu"), Device) and isinstance(None, Device)
    assert common_types._size_2_t == int | tuple[int, int]


def test_weights_from_the_network_are_fetched_once_and_checked(tmp_path, monkeypatch):
    state = {"weight": torch.arange(3.0)}
    source = tmp_path / "weights.pt"
    torch.save(state, source)
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    named = tmp_path / f"net-{digest[:8]}.pt"
    source.rename(named)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    loaded = ad.hub.load_state_dict_from_url(named.as_uri(), map_location="cpu", check_hash=True)
    assert loaded["weight"].tolist() == [0.0, 1.0, 2.0]
    assert ad.hub.get_dir() == str(tmp_path / "home" / "hub")
    address = named.as_uri()
    named.unlink()
    assert ad.utils.model_zoo.load_url(address)["weight"].tolist() == [0.0, 1.0, 2.0]

    wrong = tmp_path / "net-00000000.pt"
    torch.save(state, wrong)
    with pytest.raises(RuntimeError, match="invalid hash value"):
        ad.hub.load_state_dict_from_url(wrong.as_uri(), str(tmp_path / "kept"), check_hash=True)
    assert os.listdir(tmp_path / "kept") == []


def test_processes_are_pythons(tmp_path):
    mp = ad.multiprocessing
    mp.set_sharing_strategy("file_system")
    assert mp.get_sharing_strategy() == "file_system"
    with pytest.raises(ValueError, match="file_descriptor"):
        mp.set_sharing_strategy("paper")
    mp.spawn(_write, (tmp_path,), nprocs=2)
    assert sorted(os.listdir(tmp_path)) == ["0", "1"]
    with pytest.raises(mp.ProcessRaisedException) as caught:
        mp.spawn(_write, (tmp_path / "nowhere",))
    with pytest.raises(torch.multiprocessing.ProcessRaisedException) as theirs:
        torch.multiprocessing.start_processes(_write, (tmp_path / "nowhere",), start_method="fork")
    assert str(caught.value).split("\n")[:3] == str(theirs.value).split("\n")[:3]
    assert str(caught.value).split("\n")[-2] == str(theirs.value).split("\n")[-2]
    with pytest.raises(mp.ProcessExitedException, match="process 1 terminated with exit code 3"):
        mp.spawn(_leave, nprocs=2)
    context = mp.spawn(_write, (tmp_path,), nprocs=2, join=False)
    assert len(context.pids()) == 2
    while not context.join(timeout=30):
        pass


def _leave(number):
    if number:
        os._exit(3)


def _write(number, folder):
    (folder / str(number)).write_text("")


def test_switches_of_libraries_are_accepted():
    from anadrome.backends import cudnn, mkldnn, opt_einsum

    assert not mkldnn.is_available()
    opt_einsum.strategy = "greedy"
    with mkldnn.flags(enabled=False), ad.backends.mkl.verbose(ad.backends.mkl.VERBOSE_ON):
        pass
    before = cudnn.benchmark, cudnn.enabled
    with cudnn.flags(enabled=False, benchmark=not before[0]):
        assert (cudnn.benchmark, cudnn.enabled) == (not before[0], False)
    assert (cudnn.benchmark, cudnn.enabled) == before
    assert ad.backends.cpu.get_cpu_capability() == torch.backends.cpu.get_cpu_capability()
