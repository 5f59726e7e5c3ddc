"""PyTorch's files, both ways, and hostile or damaged ones."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import anadrome as ad
from anadrome import nn

DTYPES = ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32",
          "float64", "complex64", "complex128", "uint16", "uint32", "uint64", "float8_e4m3fn",
          "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz")  # fmt: skip


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch")


def from_torch(torch: Any, obj: Any, **options: Any) -> Any:
    """What PyTorch saves, loaded here."""
    file = io.BytesIO()
    torch.save(obj, file)
    file.seek(0)
    return ad.load(file, **options)


def to_torch(torch: Any, obj: Any) -> Any:
    """What is saved here, loaded by PyTorch's restricted unpickler."""
    file = io.BytesIO()
    ad.save(obj, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def same(ours: Any, theirs: Any) -> None:
    assert f"torch.{ours.dtype.name}" == str(theirs.dtype)
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert ours.tolist() == theirs.tolist()
    assert ours.requires_grad == theirs.requires_grad


# -- both ways ------------------------------------------------------------------------------------
@pytest.mark.torch
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 3)])
def test_every_dtype_and_shape(torch, dtype, shape):
    values = torch.arange(6)[: int(np.prod(shape))].reshape(shape)
    theirs = values.to(getattr(torch, dtype))
    ours = from_torch(torch, theirs)
    same(ours, theirs)
    same(ours, to_torch(torch, ours))


@pytest.mark.torch
def test_a_model_and_its_optimizer_go_there_and_back(torch):
    def model(L: Any) -> Any:
        return L.nn.Sequential(L.nn.Linear(3, 4), L.nn.LayerNorm(4), L.nn.Linear(4, 2))

    theirs = model(torch)
    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.1)
    x = torch.linspace(-1, 1, 15).reshape(5, 3)
    theirs(x).square().sum().backward()
    optimizer.step()
    saved = {"model": theirs.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3}
    loaded = from_torch(torch, saved)
    ours = model(ad)
    assert str(ours.load_state_dict(loaded["model"])) == "<All keys matched successfully>"
    ours_optimizer = ad.optim.Adam(ours.parameters(), lr=0.5)
    ours_optimizer.load_state_dict(loaded["optimizer"])
    assert loaded["epoch"] == 3

    ours(ad.linspace(-1, 1, 15).reshape(5, 3)).square().sum().backward()
    ours_optimizer.step()
    optimizer.zero_grad()
    theirs(x).square().sum().backward()
    optimizer.step()
    for p, q in zip(ours.parameters(), theirs.parameters()):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-4, atol=1e-6)

    back = to_torch(torch, {"model": ours.state_dict(), "optimizer": ours_optimizer.state_dict()})
    other = model(torch)
    assert str(other.load_state_dict(back["model"])) == "<All keys matched successfully>"
    torch.optim.Adam(other.parameters()).load_state_dict(back["optimizer"])
    for p, q in zip(ours.parameters(), other.parameters()):
        assert p.tolist() == q.tolist()


@pytest.mark.torch
def test_containers_and_numbers(torch):
    value = {
        "list": [1, -1, 2**31, -(2**31) - 1, 2**70, 0.5, float("inf"), None, True, False],
        "text": "ä\n\U0001f600", "bytes": b"\x00\xff", "tuple": (1, (), (2, [3])), 5: {"a": {}},
        "ordered": OrderedDict(a=1), "set": {1, 2}, "complex": 1 + 2j,
    }  # fmt: skip
    assert from_torch(torch, value) == value
    assert to_torch(torch, value) == value
    loaded = from_torch(
        torch, {"s": torch.Size([1, 2]), "d": torch.float16, "p": torch.device("cpu")}
    )
    assert loaded == {"s": ad.Size([1, 2]), "d": ad.float16, "p": ad.device("cpu")}
    there = to_torch(torch, {"s": ad.Size([1, 2]), "d": ad.float16, "p": ad.device("cpu")})
    assert there == {"s": torch.Size([1, 2]), "d": torch.float16, "p": torch.device("cpu")}


@pytest.mark.torch
def test_parameters_and_requires_grad(torch):
    p = from_torch(torch, torch.nn.Parameter(torch.ones(2)))
    assert type(p) is nn.Parameter
    assert p.requires_grad
    assert not from_torch(
        torch, torch.nn.Parameter(torch.ones(2), requires_grad=False)
    ).requires_grad
    assert from_torch(torch, torch.ones(2, requires_grad=True)).requires_grad
    q = to_torch(torch, nn.Parameter(ad.ones(2)))
    assert type(q) is torch.nn.Parameter
    assert q.requires_grad
    result = to_torch(torch, ad.ones(2, requires_grad=True) * 2)
    assert result.requires_grad
    assert result.is_leaf


@pytest.mark.torch
def test_shared_storages_and_strides_are_kept(torch):
    base = torch.arange(12.0)
    saved = {"base": base, "part": base[3:7], "turned": base.view(3, 4).t(),
             "row": base.view(3, 4)[1], "spread": torch.ones(1).expand(3)}  # fmt: skip
    saved["again"] = saved["base"]
    loaded = from_torch(torch, saved)
    assert loaded["again"] is loaded["base"]
    assert [s // 4 for s in loaded["turned"].numpy().strides] == [1, 4]
    assert [s // 4 for s in loaded["spread"].numpy().strides] == [0]
    with ad.no_grad():
        loaded["base"][4] = -1
    assert loaded["part"].tolist() == [3, -1, 5, 6]
    assert loaded["turned"].tolist()[0] == [0, -1, 8]

    there = to_torch(torch, loaded)
    assert there["turned"].stride() == (1, 4)
    assert there["again"] is there["base"]
    there["base"][0] = 100
    assert there["turned"][0, 0] == 100


def test_a_small_view_does_not_save_its_large_base():
    file = io.BytesIO()
    ad.save(ad.zeros(100_000)[::1000], file)
    assert len(file.getvalue()) < 3000


@pytest.mark.torch
def test_our_views_that_share_memory_share_it_there(torch):
    x = ad.arange(6.0).reshape(2, 3)
    there = to_torch(torch, [x, x[1], x.t(), x[:, 1]])
    there[0][1, 1] = 50
    assert there[1].tolist() == [3, 50, 5]
    assert there[2][1, 1] == 50


@pytest.mark.torch
def test_state_dicts_keep_their_metadata(torch):
    loaded = from_torch(torch, torch.nn.BatchNorm1d(2).state_dict())
    assert type(loaded) is OrderedDict
    assert loaded._metadata == OrderedDict({"": {"version": 2}})
    assert to_torch(torch, loaded)._metadata == loaded._metadata


@pytest.mark.torch
def test_map_location(torch):
    file = io.BytesIO()
    ad.save({"w": ad.ones(2)}, file)
    for place in ("cpu", ad.device("cpu"), {"cuda:0": "cpu"}, lambda storage, location: storage):
        file.seek(0)
        assert ad.load(file, map_location=place)["w"].tolist() == [1, 1]


def test_pytorchs_arguments_are_accepted(tmp_path):
    ad.save(ad.ones(1), tmp_path / "x.pt", pickle, 2)
    back = ad.load(tmp_path / "x.pt", "cpu", weights_only=False, mmap=False)
    assert back.tolist() == [1]


def test_a_self_containing_list_comes_back():
    value: list[Any] = [1]
    value.append(value)
    file = io.BytesIO()
    ad.save(value, file)
    file.seek(0)
    back = ad.load(file)
    assert back[1] is back


# -- what is refused ------------------------------------------------------------------------------
def test_what_cannot_be_saved_is_named(tmp_path):
    with pytest.raises(RuntimeError, match=r"<lambda>.*save tensors.*`module\.state_dict\(\)`"):
        ad.save({"a": [lambda x: x]}, tmp_path / "x.pt")
    assert not list(tmp_path.iterdir())


def archive(pickled: bytes, **entries: bytes) -> io.BytesIO:
    """A file like PyTorch's around a pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("x/data.pkl", pickled)
        zipped.writestr("x/version", b"3\n")
        for key, content in entries.items():
            zipped.writestr(f"x/data/{key[1:]}", content)
    file.seek(0)
    return file


class Calls:
    def __init__(self, function: Any, *args: Any) -> None:
        self.what = function, args

    def __reduce__(self) -> Any:
        return self.what


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_hostile_pickles_run_nothing(tmp_path, protocol):
    mark = tmp_path / "ran"
    for bomb in (
        Calls(os.mkdir, str(mark)), Calls(eval, f"__import__('os').mkdir({str(mark)!r})"),
        Calls(getattr, dict, "fromkeys"), {"a": [Calls(os.system, f"mkdir {mark}")]},
    ):  # fmt: skip
        with pytest.raises(ad.errors.SerializationError, match="could run code"):
            ad.load(archive(pickle.dumps(bomb, protocol)))
    assert not mark.exists()


@pytest.mark.parametrize(
    ("pickled", "told"),
    [
        (b"\x80\x02cos\nsystem\n.", "os.system"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n.", "holds the name"),
        (b"\x80\x02c__main__\nModel\n)\x81.", "__main__.Model"),
        (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "NEWOBJ"),
        (b"(i__builtin__\neval\n.", "INST"),
        (b"(c__builtin__\neval\no.", "builtins.eval"),
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}b.", "attributes of a Named"),
        (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(K\x00K\x00)))tR.", "no storage"),
        (b"\x80\x02K\x01)R.", "a int is called"),
        (b"\x80\x02ccollections\nOrderedDict\n)R(X\x01\x00\x00\x00aK\x01u.", None),
        (b"\x80\x02}K\x01\x85a.", "items are added"),
        (b"\x80\x02R.", "damaged"),
        (b"\x80\x02t.", "mark"),
        (b"\x80\x02h\x05.", "damaged"),
        (b"\x80\x02K\x01", "damaged"),
        (b"\x80\x02X\xff\xff\xff\x7fab.", "damaged"),
        (b"", "damaged"),
        (b"\x80\x02K\x01Q.", "no storage"),
        (b"\x80\x02ctorch\nTensor\n)R.", "only a name"),
        (b"\x80\x02ctorch\nSize\n(]tR.", None),
    ],
)  # fmt: skip
def test_odd_pickles(pickled, told):
    if told is None:
        ad.load(archive(pickled))
        return
    with pytest.raises(ad.errors.SerializationError, match=told) as caught:
        ad.load(archive(pickled))
    assert str(caught.value).startswith("'the file object': ")


def reference(count: int, kind: str = "FloatStorage") -> bytes:
    return (b"((X\x07\x00\x00\x00storagectorch\n" + kind.encode() + b"\nX\x01\x00\x00\x000"
            b"X\x03\x00\x00\x00cpuK" + bytes([count]) + b"tQ")  # fmt: skip


def tensor(count: int, offset: int, size: int, stride: int) -> bytes:
    return (b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n" + reference(count) + b"K"
            + bytes([offset]) + b"K" + bytes([size]) + b"\x85K" + bytes([stride])
            + b"\x85\x89)tR.")  # fmt: skip


def test_tensors_stay_within_their_storage():
    content = np.arange(4, dtype="float32").tobytes()
    assert ad.load(archive(tensor(4, 1, 3, 1), _0=content)).tolist() == [1, 2, 3]
    assert ad.load(archive(tensor(4, 1, 9, 0), _0=content)).tolist() == [1] * 9
    for offset, size, stride in ((2, 3, 1), (0, 2, 4), (200, 1, 1)):
        with pytest.raises(RuntimeError, match="larger than its storage"):
            ad.load(archive(tensor(4, offset, size, stride), _0=content))
    with pytest.raises(RuntimeError, match="storage 0 has 16 bytes of 20"):
        ad.load(archive(tensor(5, 0, 1, 1), _0=content))
    with pytest.raises(RuntimeError, match="has 16 bytes, where 12 are told of"):
        ad.load(archive(tensor(3, 0, 1, 1), _0=content))
    with pytest.raises(RuntimeError, match="'x/data/0' is missing"):
        ad.load(archive(tensor(4, 0, 1, 1)))


def test_other_archives_are_named():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("a.txt", "text")
    file.seek(0)
    with pytest.raises(RuntimeError, match=r"without data\.pkl"):
        ad.load(file)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.writestr("x/data.pkl", b"\x80\x02]." + b" " * 1000)
    file.seek(0)
    with pytest.raises(RuntimeError, match="is compressed"):
        ad.load(file)


@pytest.mark.torch
def test_a_whole_module_is_refused_with_what_to_do(torch):
    with pytest.raises(RuntimeError, match=r"torch\.nn\.modules\.linear\.Linear.*state_dict"):
        from_torch(torch, torch.nn.Linear(1, 1))


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_damaged_files_are_named(data):
    file = io.BytesIO()
    ad.save({"w": ad.ones(3, 2), "n": [1, "a", 0.5], "s": {"x": ad.arange(4)}}, file)
    whole = bytearray(file.getvalue())
    if data.draw(st.booleans()):
        whole = whole[: data.draw(st.integers(4, len(whole) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            whole[data.draw(st.integers(4, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        ad.load(io.BytesIO(bytes(whole)))
    except RuntimeError as error:
        assert str(error).startswith("'the file object'")


@given(body=st.binary(max_size=60))
@settings(deadline=None, max_examples=300)
def test_any_bytes_as_a_pickle(body):
    with contextlib.suppress(ad.errors.SerializationError):
        ad.load(archive(b"\x80\x02" + body))


def test_what_other_packages_put_into_pickle_is_not_used(tmp_path):
    """As dill does when it is imported; PyTorch's pickler does not see it."""
    program = (
        "import collections, pickle, sys, types\n"
        "def other(pickler, obj): raise TypeError('not of this pickler')\n"
        "for kind in list(pickle._Pickler.dispatch): pickle._Pickler.dispatch[kind] = other\n"
        "import anadrome as ad\n"
        "kept = [ad.device('cpu'), collections.OrderedDict(a=[1, 2.5, None, True, b'x']),\n"
        "        {'f': len, 'g': collections.namedtuple}, {1, 2}, frozenset([3]),\n"
        "        (bytearray(b'y'), int)]\n"
        "ad.save(kept, sys.argv[1])\n"
        "assert ad.load(sys.argv[1], weights_only=False) == kept\n"
    )
    args = [sys.executable, "-c", program, str(tmp_path / "kept.pt")]
    done = subprocess.run(args, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
