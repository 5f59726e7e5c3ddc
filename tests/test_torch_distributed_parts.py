"""Stores, meshes and exchanges of one process: as PyTorch's are in a group of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytest.importorskip("torch.distributed.device_mesh")
pytestmark = pytest.mark.torch


@pytest.fixture
def world() -> Iterator[None]:
    torch.distributed.init_process_group(
        "gloo", store=torch.distributed.HashStore(), world_size=1, rank=0
    )
    ad.distributed.init_process_group("gloo", world_size=1, rank=0)
    yield
    torch.distributed.destroy_process_group()
    ad.distributed.destroy_process_group()


KINDS = {
    "hash": lambda D, path: D.HashStore(),
    "file": lambda D, path: D.FileStore(str(path), 1),
    "prefix": lambda D, path: D.PrefixStore("first", D.HashStore()),
    "tcp": lambda D, path: D.TCPStore("localhost", 0, 1, True),
}


@pytest.mark.parametrize("kind", KINDS)
def test_stores(kind: str, tmp_path: Any) -> None:
    def program(D: Any, path: Any) -> Any:
        s = KINDS[kind](D, path)
        s.set("name", "value with spaces\n")
        s.set("empty", "")
        out = [s.get("name"), s.get("empty"), s.add("n", 3), s.add("n", -1), s.get("n")]
        out += [s.check(["name"]), s.check(["name", "none"]), s.wait(["name"])]
        if kind != "file":  # whose others PyTorch lacks
            out += [s.compare_set("k", "", "new"), s.compare_set("k", "new", "newer")]
            out += [s.compare_set("k", "other", "no"), s.get("k"), s.compare_set("m", "x", "y")]
            out += [s.check(["m"])]
            s.append("k", "!")
            s.multi_set(["a", "b"], ["1", "2"])
            out += [s.get("k"), s.multi_get(["a", "b"])]
        if kind != "prefix":
            out += [s.delete_key("empty"), s.check(["empty"])]
        return out

    assert program(ad.distributed, tmp_path / "ours") == program(
        torch.distributed, tmp_path / "theirs"
    )


def test_a_prefix_is_part_of_the_keys() -> None:
    for D in (ad.distributed, torch.distributed):
        inside = D.HashStore()
        outside = D.PrefixStore("p", inside)
        outside.set("k", "1")
        inside.set("k", "2")
        assert (inside.get("p/k"), outside.get("k"), inside.get("k")) == (b"1", b"1", b"2")


def test_a_file_is_found_again(tmp_path: Any) -> None:
    ad.distributed.FileStore(tmp_path / "store", 1).set("key", b"\x00\xff")
    assert ad.distributed.FileStore(tmp_path / "store", 1).get("key") == b"\x00\xff"


def test_nobody_sets_what_is_not_there() -> None:
    store = ad.distributed.HashStore()
    with pytest.raises(RuntimeError, match="no other process that could set it"):
        store.get("key")
    with pytest.raises(TypeError, match="strings and bytes, not a int"):
        store.set("key", 3)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="a TCPStore of 2 processes"):
        ad.distributed.TCPStore("localhost", 1234, 2)


def test_meshes(world: None) -> None:
    def program(D: Any) -> Any:
        one = D.init_device_mesh("cpu", (1,), mesh_dim_names=("data",))
        two = D.init_device_mesh("cpu", (1, 1), mesh_dim_names=("data", "model"))
        bare = D.device_mesh.DeviceMesh("cpu", [0])
        out: list[Any] = []
        for mesh in (one, two, bare, two["model"], two["data", "model"], one["data"]):
            out += [
                mesh.ndim, tuple(mesh.shape), mesh.size(), mesh.size(0), mesh.get_rank(),
                mesh.mesh_dim_names, mesh.device_type, mesh.mesh.tolist(), mesh.get_local_rank(0),
                list(mesh.get_coordinate()), mesh.get_group(0).size(),
            ]  # fmt: skip
        out += [one.get_local_rank(), two.get_local_rank("model"), one == two, one == one]
        for wrong in (lambda: one["other"], lambda: two.get_group(), lambda: two.get_local_rank()):
            with pytest.raises((KeyError, RuntimeError)):
                wrong()
        with pytest.raises(RuntimeError):
            D.init_device_mesh("cpu", (2,))
        return out

    import torch.distributed.device_mesh

    assert program(ad.distributed) == program(torch.distributed)
    from anadrome.distributed.device_mesh import init_device_mesh
    from anadrome.distributed.tensor import DeviceMesh

    assert init_device_mesh is ad.distributed.init_device_mesh
    assert DeviceMesh is ad.distributed.DeviceMesh


def test_a_mesh_starts_the_group() -> None:
    ad.distributed.init_device_mesh("cpu", (1,))
    assert ad.distributed.is_initialized()
    ad.distributed.destroy_process_group()


def test_a_process_receives_what_it_sends(world: None) -> None:
    d = ad.distributed
    x, y = ad.arange(3.0), ad.zeros(3)
    works = d.batch_isend_irecv([d.P2POp(d.irecv, y, 0), d.P2POp(d.isend, x, group_peer=0)])
    assert [w.wait() for w in works] == [True, True] and y.tolist() == x.tolist()
    for D, L in ((ad.distributed, ad), (torch.distributed, torch)):
        with pytest.raises(ValueError, match="Invalid ``op``"):
            D.P2POp(D.all_reduce, L.ones(1), 0)
    with pytest.raises(ValueError, match="1 sends and 0 receipts, with ranks"):
        d.batch_isend_irecv([d.P2POp(d.isend, x, 0)])
    with pytest.raises(ValueError, match=r"\(3,\) is sent, and \(2,\) waits for it"):
        d.batch_isend_irecv([d.P2POp(d.isend, x, 0), d.P2POp(d.irecv, ad.zeros(2), 0)])


def test_what_a_launcher_marks() -> None:
    from anadrome.distributed.elastic.multiprocessing.errors import record

    @record
    def main(a: int) -> int:
        return a + 1

    assert main(2) == 3
