"""Tensors and modules on the device "meta", beside PyTorch's."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch.testing._internal.common_methods_invocations")

import opinfo
from torch.testing._internal.common_methods_invocations import op_db

import anadrome as ad

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

#: Where PyTorch's shapes on "meta" are not those on its CPU.
OTHER = {"linalg.pinv", "normal"}


def on_meta(value: Any, cls: type) -> Any:
    if isinstance(value, cls):
        return value.detach().to("meta")  # type: ignore[attr-defined]
    if isinstance(value, (list, tuple)):
        return tuple(on_meta(v, cls) for v in value)
    if isinstance(value, dict):
        return {k: on_meta(v, cls) for k, v in value.items()}
    return value


def told(value: Any) -> Any:
    """Shape, dtype and device of each Tensor."""
    if isinstance(value, (tuple, list)):
        return [told(v) for v in value]
    if not hasattr(value, "dtype"):
        return value
    name = str(value.dtype).rpartition(".")[2]
    return tuple(value.shape), name, str(value.device)


@pytest.mark.parametrize("op", op_db, ids=lambda op: f"{op.name}.{op.variant_test_name}")
def test_shapes_of_the_samples_of_pytorch(op: Any) -> None:
    kinds = [d for d in (torch.float32, torch.complex64, torch.int64) if d in op.dtypes]
    for dtype in kinds[:1]:
        try:
            samples = list(itertools.islice(op.sample_inputs("cpu", dtype), 4))
        except RuntimeError:
            continue
        for sample in samples:
            given = (sample.input, *sample.args)
            try:  # samples that either does not take are other tests'
                args = [opinfo.ours(a, []) for a in given]
                keywords = opinfo.ours(dict(sample.kwargs), [])
                function = opinfo.function(op.name)
                function(*args, **keywords)
                theirs = [on_meta(a, torch.Tensor) for a in given]
                wanted = op.op(*theirs, **on_meta(sample.kwargs, torch.Tensor))
            except Exception:
                continue
            found = function(*on_meta(args, ad.Tensor), **on_meta(keywords, ad.Tensor))
            if op.name not in OTHER:
                assert told(opinfo._flat(found)) == told(opinfo._flat(wanted)), sample


EXPRESSIONS = """
m | s | L.empty(0, device="meta") | m[1:].data_ptr() | m.untyped_storage().nbytes() | m.type()
m.t().stride() | m.t().is_contiguous() | m[1].storage_offset() | m.get_device() | m.is_meta
c.is_meta | m.device == L.device("meta") | L.device("meta", 0) | L.empty(2, device="meta:0").device
m + L.tensor(1.0) | m[L.tensor([0, 1])] | m.copy_(c) | m.copy_(L.ones(3)) | m.to("meta") is m
c.to("meta") | L.randn(3, device="meta") | L.randperm(3, device="meta")
m == m | list(m) | f"{s}" | m.data | L.zeros_like(m, device="cpu").device | m.max(0) | m.sort()
L.tensor([1], device="meta") | L.zeros_like(c, device="meta") | L.nn.Parameter(m)
m.new_zeros(2) | L.multinomial(m[0], 2)
L.as_tensor([1.0], device="meta") | L.histc(m) | L.quantile(m, 0.5) | L.linalg.svd(m)[0].shape
L.empty(2, dtype=L.int64, device="meta") | L.nn.functional.dropout(m) | m.is_pinned() | m.bool()
L.nn.Linear(2, 3).to("meta").weight | L.nn.Linear(2, 3, device="meta").to_empty(device="cpu")
L.nn.LSTM(3, 4, 2, device="meta")(m[None])[0].shape | L.nn.BatchNorm1d(3, device="meta")(m).shape
s.item() | bool(s) | int(s) | m.tolist() | m.numpy() | m.cpu() | m.to("cpu") | m.numpy(force=True)
m + c | c + m | c + s | m[m > 0] | m.nonzero() | L.unique(m) | L.masked_select(m, m > 0)
c.clone().copy_(m) | m.copy_(L.ones(4)) | L.equal(m, m) | L.allclose(m, m) | L.bincount(m[0].long())
L.where(m > 0) | m.is_nonzero() | s.is_nonzero() | m.__array__() | L.cat([m, c])
L.nn.functional.one_hot(m.long()) | L.nn.functional.one_hot(m.long(), 5) | f"{s:.2f}" | m.set_(c)
L.nn.Linear(2, 3, device="meta").to("cpu") | L.repeat_interleave(m[0], m[0].long())
m.isnan().any()
L.repeat_interleave(m, L.empty(2, dtype=L.int64, device="meta"), 0)
L.repeat_interleave(m, L.tensor([1, 2]), 0, output_size=3) | L.triu_indices(3, 3, 1, device="meta")
L.repeat_interleave(m, L.empty(1, dtype=L.int64, device="meta"), 0, output_size=4)
"""
#: Texts that have to be PyTorch's.
SAME_TEXT = ("no data!", "meta tensors", "meta device type")


def _tried(expression: str, L: Any) -> Any:
    names = {
        "L": L,
        "m": L.empty(2, 3, device="meta"),
        "s": L.empty((), device="meta"),
        "c": L.ones(2, 3),
    }
    try:
        return repr(eval(expression, names)).replace("anadrome.", "torch."), None
    except Exception as error:
        return None, error


@pytest.mark.parametrize("expression", EXPRESSIONS.replace("\n", " | ").strip(" |").split(" | "))
def test_it_is_told_and_refused_alike(expression: str) -> None:
    found, error = _tried(expression, ad)
    wanted, theirs = _tried(expression, torch)
    assert found == wanted, error
    if theirs is not None:
        assert isinstance(error, type(theirs))
        if any(text in str(theirs) for text in SAME_TEXT):
            assert str(error).replace("anadrome.", "torch.") == str(theirs)


def _model(L: Any) -> Any:
    nn = L.nn
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 5)
    )


def _weights(L: Any) -> dict[str, Any]:
    """Numbers that depend on the name and the shape only."""
    out = {}
    for name, t in _model(L).state_dict().items():
        values = L.arange(t.numel(), dtype=L.float64).sin() + 1.5
        out[name] = values.reshape(t.shape).to(t.dtype)
    return out


def _assigned(L: Any) -> Any:
    with L.device("meta"):
        model = _model(L)
    assert all(t.is_meta for t in model.state_dict().values())
    keys = model.load_state_dict(_weights(L), assign=True)
    assert not keys.missing_keys
    return model


def _emptied(L: Any) -> Any:
    model = _model(L).to("meta").to_empty(device="cpu")
    model.load_state_dict(_weights(L))
    return model


def _registered_empty(L: Any) -> Any:
    """What accelerate's `init_empty_weights` and `set_module_tensor_to_device` do."""
    register = L.nn.Module.register_parameter

    def empty(module: Any, name: str, param: Any) -> None:
        register(module, name, param)
        if param is not None:
            made = module._parameters[name]
            kept = made.__dict__
            kept["requires_grad"] = made.requires_grad
            module._parameters[name] = type(made)(made.to(L.device("meta")), **kept)

    L.nn.Module.register_parameter = empty
    try:
        model = _model(L)
    finally:
        L.nn.Module.register_parameter = register
    assert all(p.is_meta for p in model.parameters()) and not model[1].running_mean.is_meta
    for name, value in _weights(L).items():
        *path, last = name.split(".")
        owner = model.get_submodule(".".join(path))
        if last in owner._parameters:
            old = owner._parameters[last]
            owner._parameters[last] = type(old)(value, requires_grad=old.requires_grad)
        else:
            owner._buffers[last] = value
    return model


@pytest.mark.parametrize("make", [_assigned, _emptied, _registered_empty])
def test_models_made_without_weights_and_given_them(make: Any) -> None:
    outs = []
    for L in (ad, torch):
        model = make(L).eval()
        x = L.linspace(-1, 1, 2 * 3 * 64).reshape(2, 3, 8, 8)
        loss = model(x).square().sum()
        loss.backward()
        outs.append([loss.tolist()] + [p.grad.double().sum().item() for p in model.parameters()])
    assert outs[0] == pytest.approx(outs[1], rel=1e-4)


def test_a_copy_into_a_model_without_weights_warns() -> None:
    texts = []
    for L in (ad, torch):
        model = L.nn.Linear(2, 3, bias=False, device="meta")
        with pytest.warns(UserWarning) as told_of:
            model.load_state_dict({"weight": L.ones(3, 2)})
        texts.append(str(told_of[0].message))
        assert model.weight.is_meta
    assert texts[0] == texts[1]


def test_a_whole_step_without_values() -> None:
    kept = []
    for L in (ad, torch):
        with L.device("meta"):
            model = _model(L)
            optimizer = L.optim.AdamW(model.parameters(), foreach=False)
            loss = L.nn.functional.cross_entropy(
                model(L.randn(2, 3, 8, 8)), L.zeros(2, dtype=L.int64)
            )
            loss.backward()
            optimizer.step()
        moments = [optimizer.state[p]["exp_avg"] for p in model.parameters()]
        kept.append([told(p.grad) for p in model.parameters()] + [told(m) for m in moments])
        kept[-1].append(told(loss))
    assert kept[0] == kept[1]


def _kept_in_files(L: Any) -> dict[str, Any]:
    layer = L.nn.Linear(2, 3, device="meta")
    return {
        "plain": L.empty(2, 3, dtype=L.bfloat16, device="meta"),
        "view": L.empty(4, 5, device="meta")[1:].t(),
        "parameter": L.nn.Parameter(L.empty(7, device="meta")),
        "frozen": L.nn.Parameter(L.empty(7, device="meta"), requires_grad=False),
        "leaf": L.empty(10**6, 10**6, device="meta", requires_grad=True),
        "layer": layer.state_dict(),
        "values": L.ones(2),
    }


def test_files_keep_shape_dtype_and_strides(tmp_path: Any) -> None:
    def told_of(read: dict[str, Any]) -> Any:
        flat = {**read, **read["layer"]}
        del flat["layer"]
        return {
            k: (told(t), t.stride(), t.requires_grad, type(t).__name__) for k, t in flat.items()
        }

    for writer, reader in itertools.product((ad, torch), repeat=2):
        path = tmp_path / f"{writer.__name__}.pt"
        writer.save(_kept_in_files(writer), path)
        assert path.stat().st_size < 20_000
        assert told_of(reader.load(path)) == told_of(_kept_in_files(torch))


def test_whole_modules_without_values_are_kept(tmp_path: Any) -> None:
    ad.save({"model": _model(ad).to("meta")}, tmp_path / "whole.pt")
    model = ad.load(tmp_path / "whole.pt", weights_only=False)["model"]
    assert all(p.is_meta and p.requires_grad for p in model.parameters())
    assert [p.shape for p in model.parameters()] == [p.shape for p in _model(ad).parameters()]


def test_a_file_is_read_without_its_values(tmp_path: Any) -> None:
    for L in (ad, torch):
        L.save({"w": L.ones(3, 4)}, tmp_path / "w.pt")
        assert told(L.load(tmp_path / "w.pt", map_location="meta")["w"]) == (
            (3, 4),
            "float32",
            "meta",
        )
