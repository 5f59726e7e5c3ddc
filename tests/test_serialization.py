"""ad.save and ad.load: what is written comes back; what is damaged is named; nothing is run."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import anadrome as ad
from anadrome import tensor_file

DTYPES = (
    ad.float32,
    ad.float64,
    ad.float16,
    ad.bfloat16,
    ad.int64,
    ad.int32,
    ad.uint8,
    ad.complex64,
    *ad.dtypes.BARE,
)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)], ids=str)
def test_every_dtype_and_shape_comes_back(tmp_path, dtype, shape):
    x = ad.ones(shape, dtype=dtype)
    ad.save({"x": x}, tmp_path / "x.safetensors")
    back = ad.load(tmp_path / "x.safetensors")["x"]
    assert back.dtype is dtype
    assert tuple(back.shape) == shape
    assert back.tolist() == x.tolist()


def test_values_survive_bit_for_bit_and_are_writable(tmp_path):
    x = ad.tensor([1.5, -0.0, float("inf"), float("nan"), 1e-45])
    ad.save({"x": x}, tmp_path / "x.safetensors")
    back = ad.load(tmp_path / "x.safetensors")["x"]
    assert back.numpy().tobytes() == x.numpy().tobytes()
    back.add_(1)


def test_non_contiguous_tensor_is_saved_as_its_values(tmp_path):
    x = ad.arange(6).reshape(2, 3).t()
    ad.save({"x": x}, tmp_path / "x.safetensors")
    assert ad.load(tmp_path / "x.safetensors")["x"].tolist() == [[0, 3], [1, 4], [2, 5]]


nested = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=4) | st.integers(0, 9), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(value=nested)
@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize("name", ["x.safetensors", "x.pt"])
def test_nested_states_come_back_equal(tmp_path_factory, name, value):
    path = tmp_path_factory.mktemp("nested") / name
    ad.save({0: value, "t": [ad.ones(2)]}, path)
    back = ad.load(path)
    assert back[0] == value
    assert type(back[0]) is type(value)
    assert back["t"][0].tolist() == [1.0, 1.0]


def numbers():
    numpy = pytest.importorskip("numpy")
    return [
        *(numpy.array([1, 2], t) for t in ("uint16", "uint32", "uint64", "float64", ">i4", "bool")),
        numpy.float64(0.1), numpy.float32(0.1), numpy.int64(-3), numpy.bool_(True),
        numpy.complex128(1 - 2j), 1 - 2j, float("inf"), float("-inf"), -0.0, 2**200,
        b"\x00\xff", {"a"}, ad.ones(2, dtype=ad.complex128) * 2j,
    ]  # fmt: skip


@pytest.mark.parametrize("value", numbers(), ids=lambda v: f"{type(v).__name__}-{v}"[:24])
def test_numbers_of_every_kind_come_back_of_their_type(tmp_path, value):
    path = tmp_path / "x.safetensors"
    ad.save({"x": value}, path)
    back = ad.load(path)["x"]
    assert type(back) is type(value)
    if hasattr(value, "dtype"):
        assert back.dtype == value.dtype
        assert tuple(back.shape) == tuple(value.shape)
        assert back.tolist() == value.tolist()
    else:
        assert repr(back) == repr(value)


def test_other_objects_are_refused_by_place(tmp_path):
    with pytest.raises(RuntimeError, match=r"state\['a'\]\[1\] is a object; files hold Tensors"):
        ad.save({"a": [1, object()]}, tmp_path / "x.safetensors")
    with pytest.raises(RuntimeError, match=r"holds a state_dict, not a list"):
        ad.save([ad.ones(1)], tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())


def test_pickles_are_not_read(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    path = tmp_path / "weights.pt"
    path.write_bytes(pickle.dumps(Bomb(), protocol=2))
    with pytest.raises(RuntimeError, match=r"weights\.pt' is a bare pickle.*not read"):
        ad.load(path)
    assert not (tmp_path / "ran").exists()


def good_file(path):
    ad.save({"w": ad.randn(5, 7), "b": ad.arange(9)}, path)
    return bytearray(path.read_bytes())


@given(data=st.data())
@settings(deadline=None, max_examples=80)
def test_truncated_and_flipped_files_are_named(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("files") / "model.safetensors"
    whole = good_file(path)
    if data.draw(st.booleans()):
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    else:
        position = data.draw(st.integers(0, len(whole) - 1))
        whole[position] ^= 1 << data.draw(st.integers(0, 7))
        path.write_bytes(whole)
        if b'"anadrome"' not in whole:  # our mark is what was hit: now a file of somebody else's
            return
        with pytest.raises(RuntimeError, match=r"model\.safetensors' is (not a whole|corrupt)"):
            ad.load(path)
        return
    with pytest.raises(RuntimeError, match=r"model\.safetensors' is not a whole safetensors file"):
        ad.load(path)


def test_damaged_structure_is_named(tmp_path):
    path = tmp_path / "s.safetensors"
    ad.save({"a": {"b": ad.ones(1)}}, path)
    arrays = {"0": ad.ones(1).numpy()}
    for structure in ({"tensor": "9"}, {"eval": "1"}, [], {"dict": [[1]]}, 7, {"float": []}):
        note = {"structure": structure}
        path.write_bytes(b"".join(tensor_file.pieces(arrays, note)))
        with pytest.raises(RuntimeError, match=r"s\.safetensors': its structure is damaged"):
            ad.load(path)


def test_a_note_without_its_checksum_is_refused(tmp_path):
    path = tmp_path / "s.safetensors"
    ad.save({"w": ad.ones(1)}, path)
    path.write_bytes(path.read_bytes().replace(b"blake2b", b"blake3b"))
    with pytest.raises(RuntimeError, match=r"s\.safetensors' is corrupt: its checksum"):
        ad.load(path)


def test_equal_states_give_equal_files(tmp_path):
    for name in ("a.safetensors", "b.safetensors", "a.pt", "b.pt"):
        ad.save({"s": [1, ad.ones(3)], "t": ad.zeros(2)}, tmp_path / name)
    for kind in ("safetensors", "pt"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        ad.load(tmp_path / "nothing")
    with pytest.raises(RuntimeError, match="cannot write in"):
        ad.save({"x": ad.ones(1)}, tmp_path / "no" / "folder")


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model"
    ad.save({"x": ad.ones(1)}, path)
    old = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RuntimeError, match="No space left on device"):
        ad.save({"x": ad.zeros(1)}, path)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.skipif(os.name == "nt", reason="links are POSIX")
def test_a_link_stays_a_link(tmp_path):
    link = tmp_path / "latest"
    link.symlink_to(tmp_path / "model")
    ad.save({"x": ad.ones(1)}, link)
    assert link.is_symlink()
    assert ad.load(tmp_path / "model")["x"].tolist() == [1.0]


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_kill_at_any_moment_leaves_a_whole_file(tmp_path):
    path = tmp_path / "model"
    code = (
        "import anadrome as ad, sys\n"
        "i = 0\n"
        "while True:\n"
        "    i += 1\n"
        "    ad.save({'x': ad.full((50_000,), float(i)), 'n': ad.tensor(i)}, sys.argv[1])\n"
        "    print(i, flush=True)\n"
    )
    for delay in (0.0, 0.011, 0.023):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout.readline().strip() == "1"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        back = ad.load(path)
        assert back["x"].tolist() == [float(back["n"])] * 50_000


@pytest.mark.torch
def test_files_are_exchanged_with_pytorch(tmp_path):
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file, save_file

    ad.save({"w": ad.arange(6, dtype=ad.bfloat16).reshape(2, 3)}, tmp_path / "ours.safetensors")
    theirs = load_file(tmp_path / "ours.safetensors")["w"]
    assert theirs.dtype is torch.bfloat16
    assert theirs.tolist() == [[0, 1, 2], [3, 4, 5]]
    save_file({"v": torch.arange(3, dtype=torch.float16)}, tmp_path / "theirs")
    ours = ad.load(tmp_path / "theirs")["v"]
    assert ours.dtype is ad.float16
    assert ours.tolist() == [0, 1, 2]
