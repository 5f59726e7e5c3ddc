"""A file that is damaged, hostile, of another model or of another version changes nothing."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import anadrome as ad
from anadrome import nn, tensor_file
from anadrome.errors import SerializationError
from anadrome.utils.data import DataLoader, IterableDataset, TensorDataset

S = ad.optim.lr_scheduler
FILES = Path(__file__).parent / "files"


def parts(seed=0):
    ad.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    optimizer = ad.optim.Adam(model.parameters(), lr=0.1 + seed)
    out = {
        "model": model,
        "optimizer": optimizer,
        "scheduler": S.SequentialLR(
            optimizer, [S.ExponentialLR(optimizer, 0.9), S.ExponentialLR(optimizer, 0.8)], [2]
        ),
        "scaler": ad.amp.GradScaler("cpu", init_scale=2.0 + seed),
        "loader": DataLoader(TensorDataset(ad.arange(8)), 2, shuffle=True,
                             generator=ad.Generator().manual_seed(seed)),
        "generators": [ad.Generator().manual_seed(seed)],
    }  # fmt: skip
    for batch, _ in zip(out["loader"], range(1 + seed)):
        model(batch[0].float()[:, None] * ad.ones(3)).sum().backward()
        optimizer.step()
        out["scheduler"].step()
    return out


def everything(parts):
    """All that there is, to compare."""
    from anadrome.plugins.resume.snapshot import take

    given = {k: v for k, v in parts.items() if k != "generators"}
    return b"".join(take(given, 0, parts["generators"], None, copy=True).pieces())


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "run"
    ad.save_training(path, **parts(), step=3, extra={"epoch": 1})
    return path.read_bytes()


def refused(path, told, now, **others):
    """Loading is an error that names the file, and all stays as it is."""
    before = everything(now)
    with pytest.raises(SerializationError, match=told) as caught:
        ad.load_training(path, **{**now, **others})
    assert path.name in str(caught.value)
    assert everything(now) == before
    return str(caught.value)


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_a_flipped_bit_anywhere(tmp_path_factory, good, data):
    path = tmp_path_factory.mktemp("flipped") / "flipped"
    damaged = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(good) - 1))
        damaged[position] ^= 1 << data.draw(st.integers(0, 7))
    if damaged == good:
        return
    path.write_bytes(damaged)
    refused(path, "flipped' is (not a whole|corrupt|a file of tensors)", parts(1))


@pytest.mark.nightly
def test_a_flipped_bit_in_every_byte(tmp_path, good):
    path = tmp_path / "flipped"
    for position in range(len(good)):
        damaged = bytearray(good)
        damaged[position] ^= 1 << position % 8
        path.write_bytes(damaged)
        with pytest.raises(SerializationError, match="flipped'"):
            ad.load_training(path)


def test_a_file_cut_off_anywhere(tmp_path, good):
    path = tmp_path / "cut"
    now = parts(1)
    for length in [*range(0, len(good), 13), len(good) - 1]:
        path.write_bytes(good[:length])
        with pytest.raises(SerializationError, match="cut' is not a whole safetensors file"):
            ad.load_training(path, **now)
    path.write_bytes(good + b"\0")
    refused(path, "cut' is not a whole", now)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
KEYS = ("version", "anadrome", "step", "parts", "extra", "random", "generators")


@given(data=st.data())
@settings(deadline=None, max_examples=150)
def test_a_hostile_note_with_a_right_checksum(tmp_path_factory, good, data):
    """Anything in place of anything: an error that names the file, or values, and no code run."""
    path = tmp_path_factory.mktemp("hostile") / "hostile"
    path.write_bytes(good)
    tensors, note = tensor_file.parse("hostile", good)
    training = note["training"]
    place = training
    key = data.draw(st.sampled_from(KEYS))
    for _ in range(data.draw(st.integers(0, 6))):
        inside = place[key]
        if isinstance(inside, dict) and inside:
            place, key = inside, data.draw(st.sampled_from(sorted(inside)))
        elif isinstance(inside, list) and inside:
            place, key = inside, data.draw(st.integers(0, len(inside) - 1))
    place[key] = data.draw(json_like)
    arrays = {name: t.numpy() for name, t in tensors.items()}
    try:
        path.write_bytes(b"".join(tensor_file.pieces(arrays, note)))
    except ValueError:  # not a finite number: JSON has none
        return
    now = parts(1)
    before = everything(now)
    try:
        ad.load_training(path, **now)
    except SerializationError as error:
        assert "hostile'" in str(error)
        assert everything(now) == before


def test_files_of_other_kinds(tmp_path):
    path = tmp_path / "other"
    path.write_bytes(b"")
    refused(path, "other' is not a whole safetensors file", parts())
    ad.save({"w": ad.ones(1)}, tmp_path / "other.safetensors")
    refused(tmp_path / "other.safetensors", "is a file of tensors, and not one of save_training",
            parts())  # fmt: skip
    ad.save({"w": ad.ones(1)}, path)  # PyTorch's format
    refused(path, "other' is not a whole", parts())
    with pytest.raises(FileNotFoundError, match="there is no file .*nothing', nor one before it"):
        ad.load_training(tmp_path / "nothing")
    assert ad.load_training(tmp_path / "no" / "where", missing_ok=True) is None
    with pytest.raises(SerializationError, match="cannot read .*: Is a directory"):
        ad.load_training(tmp_path)


def test_the_file_before_it_is_taken_with_a_warning(tmp_path, good):
    path = tmp_path / "run"
    path.write_bytes(good[:-1])
    (tmp_path / "run.1").write_bytes(good[:100])
    (tmp_path / "run.2").write_bytes(good)
    now = parts(1)
    with pytest.warns(ad.SaveWarning, match=r"run' is not a whole.*run\.1' is not.*going on from"):
        state = ad.load_training(path, **now)
    assert (state.step, state.path) == (3, str(tmp_path / "run.2"))
    assert everything(now) == everything(parts())
    path.unlink()  # as when somebody was killed in a file system without links
    (tmp_path / "run.1").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        assert ad.load_training(path, **now).step == 3
    (tmp_path / "run.2").write_bytes(b"x")
    path.write_bytes(b"y")
    refused(path, r"run' is not a whole.*; .*run\.2' is not a whole", now)


def saved(tmp_path, **now):
    path = tmp_path / "run"
    ad.save_training(path, **{**parts(), **now})
    return path


def other_model(*modules):
    model = nn.Sequential(*modules)
    return {"model": model, "optimizer": ad.optim.Adam(model.parameters())}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda: other_model(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 2)),
         r"model: Missing key\(s\) in state_dict: '2.weight', '2.bias'\."),
        (lambda: other_model(nn.Linear(3, 2)),
         r"model: Unexpected key\(s\) in state_dict: '1.weight', '1.bias', '1.running_mean'"),
        (lambda: other_model(nn.Linear(4, 2), nn.BatchNorm1d(2)),
         r"model: size mismatch for 0.weight: copying a param with shape \(2, 3\) from checkpoint, "
         r"the shape in current model is \(2, 4\)(.|\n)*optimizer: parameter 0 of group 0 was "
         r"float32 of shape \(2, 3\), and is float32 of shape \(2, 4\) now"),
        (lambda: other_model(nn.Linear(3, 2, dtype=ad.float64), nn.BatchNorm1d(2)),
         "model: dtype mismatch for 0.weight: anadrome.float32 in the checkpoint, anadrome.float6"),
        (lambda: {"model": nn.Linear(3, 2)}, r"model: Unexpected key\(s\) in state_dict: '0.w"),
        (lambda: {"model": {"a": nn.Linear(3, 2)}}, r"model\['a'\] was not saved"),
        (lambda: {"model": None}, "it holds model: give it, or strict=False to leave it"),
        (lambda: {"optimizer": ad.optim.SGD([ad.ones(1, requires_grad=True)], lr=1.0)},
         "optimizer: it was a Adam, and is a SGD now"),
        (lambda: {"optimizer": ad.optim.Adam([{"params": [ad.ones(1, requires_grad=True)]},
                                              {"params": [ad.ones(1, requires_grad=True)]}])},
         "optimizer: it had 1 parameter groups, and has 2 now; add those that were added"),
        (lambda: {"optimizer": ad.optim.Adam([ad.ones(1, requires_grad=True)])},
         "optimizer: group 0 had 4 parameters, and has 1 now"),
        (lambda: {"scheduler": S.StepLR(parts()["optimizer"], 2)},
         "scheduler: it was a SequentialLR, and is a StepLR now"),
        (lambda: {"scheduler": S.SequentialLR(o := parts()["optimizer"],
                                              [S.StepLR(o, 2), S.StepLR(o, 2), S.StepLR(o, 2)],
                                              [2, 3])},
         "scheduler: _schedulers were 2, and are 3 now"),
        (lambda: {"generators": [ad.Generator(), ad.Generator()]},
         r"generators\[1\] was not saved"),
        (lambda: {"generators": [random.Random()]},
         "the random state is one of a generator of anadrome, not of python"),
        (lambda: {"loader": DataLoader(TensorDataset(ad.arange(8)), 2)},
         "the loader had a generator at generator, and has none there now"),
        (lambda: {"loader": DataLoader(IterableDataset())},
         "the state is one of a loader of samples by index, this one is of an iterable data set"),
        (lambda: {"scaler": ad.amp.GradScaler("cpu", enabled=True)}, None),
    ],
)  # fmt: skip
def test_another_training(tmp_path, change, told):
    path = saved(tmp_path)
    now = {**parts(1), **change()}
    if told is None:
        ad.load_training(path, **now)
        return
    if now["model"] is None:
        with pytest.raises(SerializationError, match=told):
            ad.load_training(path, **now)
        assert ad.load_training(path, **now, strict=False).path == str(path)
        return
    refused(path, told, now)


class Stubborn(nn.Linear):
    """May raise when it has been changed."""

    error = None

    def _load_from_state_dict(self, *args):
        super()._load_from_state_dict(*args)
        if self.error is not None:
            raise self.error


class Odd:
    """A part of the user's own that fails half way."""

    def __init__(self, value, error=None):
        self.values = [value, value]
        self.error = error

    def state_dict(self):
        return {"values": list(self.values)}

    def load_state_dict(self, state):
        error, self.error = self.error, None
        for i, value in enumerate(state["values"]):
            self.values[i] = value
            if error is not None:
                raise error


@pytest.mark.parametrize("error", [ZeroDivisionError("no"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("role", ["model", "optimizer", "scheduler", "scaler", "loader"])
def test_a_part_that_raises_half_way_puts_all_back(tmp_path, role, error):
    path = saved(tmp_path, **{role: [parts()[role], Odd(1)]})
    now = parts(1)
    now[role] = [now[role], Odd(2, error)]
    before = everything(now)
    kind = KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else SerializationError
    with pytest.raises(kind) as caught:
        ad.load_training(path, **now)
    if kind is SerializationError:
        assert "run' could not be loaded, and all is as it was: ZeroDivisionError: no" in str(
            caught.value
        )
    assert everything(now) == before


@pytest.mark.parametrize("which", ["module", "optimizer"])
def test_a_module_or_an_optimizer_that_raises_when_it_is_changed(tmp_path, which):
    def make():
        models = [nn.Linear(2, 2), Stubborn(2, 1)]
        optimizer = ad.optim.Adam([*models[0].parameters(), *models[1].parameters()])
        models[1](models[0](ad.ones(2))).backward()
        optimizer.step()
        return {"model": models, "optimizer": optimizer}

    def hook(*_):
        raise ValueError("half way")

    path = tmp_path / "run"
    ad.save_training(path, **make())
    now = make()
    ad.save_training(tmp_path / "before", **now)
    if which == "module":
        now["model"][1].error = ValueError("half way")
    else:
        now["optimizer"].register_load_state_dict_post_hook(hook)
    with pytest.raises(SerializationError, match="all is as it was: ValueError: half way"):
        ad.load_training(path, **now)
    ad.save_training(tmp_path / "after", **now)
    assert (tmp_path / "after").read_bytes() == (tmp_path / "before").read_bytes()
    now["optimizer"].step()  # and it goes on


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"extra": {"f": [1, len]}}, r"extra\['f'\]\[1\] is a builtin_function_or_method"),
        ({"extra": {(1, object): 2}}, r"a key of extra.*is a type"),
        ({"model": {"odd": Odd({"x": print})}},
         r"model\['odd'\]\['state'\]\['values'\]\[0\]\['x'\] is a builtin"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_named_and_nothing_is_written(tmp_path, given, told):
    with pytest.raises(SerializationError, match=told):
        ad.save_training(tmp_path / "run", **given)
    loop = []
    loop.append(loop)
    with pytest.raises(SerializationError, match="extra is nested too deeply, or in itself"):
        ad.save_training(tmp_path / "run", extra=loop)
    optimizer = ad.optim.SGD([{"params": [ad.ones(1, requires_grad=True)], "of": print}], lr=1.0)
    with pytest.raises(SerializationError, match=r"optimizer\['state'\]\['param_groups'\]\[0\]"):
        ad.save_training(tmp_path / "run", optimizer=optimizer)
    assert not list(tmp_path.iterdir())


def test_state_of_another_shape_than_its_parameter(tmp_path):
    now = parts()
    state = now["optimizer"].state[now["model"][0].weight]
    state["exp_avg"] = ad.zeros(3)
    ad.save_training(tmp_path / "run", **now)
    refused(tmp_path / "run", r"exp_avg of parameter 0 is of shape \(3,\), and the parameter of "
            r"\(2, 3\)", parts(1))  # fmt: skip


def test_a_file_of_a_later_version(tmp_path, good):
    path = tmp_path / "run"
    tensors, note = tensor_file.parse("run", good)
    note["training"]["version"] = 2
    note["training"]["anadrome"] = "9.9"
    path.write_bytes(b"".join(tensor_file.pieces({n: t.numpy() for n, t in tensors.items()}, note)))
    (tmp_path / "run.1").write_bytes(good)  # not taken: it would go back in silence
    refused(path, r"run' was written by anadrome 9\.9 in version 2 of the format; this is "
            r"anadrome .*, which reads up to version 1: upgrade it", parts(1))  # fmt: skip
