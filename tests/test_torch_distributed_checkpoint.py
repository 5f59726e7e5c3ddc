"""Checkpoints of one process in a folder: what programs see is what they see with PyTorch."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytest.importorskip("torch.distributed.checkpoint.state_dict")
pytestmark = pytest.mark.torch


def of(L: Any) -> tuple[Any, Any]:
    """``distributed.checkpoint``, and its ``state_dict``."""
    if L is ad:
        from anadrome.distributed import checkpoint
        from anadrome.distributed.checkpoint import state_dict
    else:
        from torch.distributed import checkpoint
        from torch.distributed.checkpoint import state_dict
    return checkpoint, state_dict


def plain(value: Any) -> Any:
    if isinstance(value, (ad.Tensor, torch.Tensor)):
        return str(value.dtype).rpartition(".")[2], value.tolist()
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [plain(v) for v in value]
    return value


def same(program: Any, tmp_path: Any) -> Any:
    out = []
    for L, name in ((ad, "ours"), (torch, "theirs")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            out.append(plain(program(L, *of(L), str(tmp_path / name))))
    assert out[0] == out[1]
    return out[0]


def trained(L: Any, wrap: Any = lambda m: m, optimizer: str = "AdamW", steps: int = 2) -> Any:
    model = L.nn.Sequential(L.nn.Linear(3, 2), L.nn.BatchNorm1d(2), L.nn.Linear(2, 1))
    with L.no_grad():
        for number, p in enumerate(model.parameters()):
            p.copy_(L.arange(p.numel(), dtype=L.float32).reshape(p.shape) / 8 - number / 4)
    model = wrap(model)
    optim = getattr(L.optim, optimizer)(model.parameters(), lr=0.125)
    for step in range(steps):
        optim.zero_grad()
        model(L.arange(12.0).reshape(4, 3) / 8 - step).sum().backward()
        optim.step()
    return model, optim


def shapes(value: Any) -> Any:
    """The names and shapes of a nested state, since sums round differently."""
    if isinstance(value, (ad.Tensor, torch.Tensor)):
        return list(value.shape), str(value.dtype).rpartition(".")[2]
    if isinstance(value, dict):
        return {k: shapes(v) for k, v in value.items()}
    return [shapes(v) for v in value] if isinstance(value, (list, tuple)) else value


def test_values_come_back_where_they_were(tmp_path: Any) -> None:
    def program(L: Any, dcp: Any, sd: Any, path: str) -> Any:
        full = {
            "w": L.arange(6.0).reshape(2, 3), "half": L.ones(2, dtype=L.bfloat16),
            "epoch": 3, "name": "first", "none": None, "loss": float("inf"),
            "nested": {"a": {"b": L.tensor(7)}, "list": [L.ones(1), {"x": 2}], "tuple": (1, 2.5)},
            "numbers": [1, 2, 3], "scalar": L.tensor(True), "empty": L.zeros(0, 4),
        }  # fmt: skip
        found = dcp.save(full, checkpoint_id=path)
        w, b = L.zeros(2, 3), L.tensor(0)
        blank = {
            "w": w, "half": L.zeros(2, dtype=L.bfloat16), "epoch": 0, "name": "", "none": 1,
            "loss": 0.0, "nested": {"a": {"b": b}, "list": [L.zeros(1), {"x": 0}], "tuple": ()},
            "numbers": [], "scalar": L.tensor(False), "empty": L.ones(0, 4),
        }  # fmt: skip
        dcp.load(blank, checkpoint_id=path)
        assert blank["w"] is w and blank["nested"]["a"]["b"] is b
        read = dcp.FileSystemReader(path).read_metadata()
        sizes = {
            name: list(m.size) if isinstance(m, dcp.TensorStorageMetadata) else None
            for name, m in read.state_dict_metadata.items()
        }
        assert found.state_dict_metadata == read.state_dict_metadata
        return blank, sizes, read.planner_data

    same(program, tmp_path)


def test_objects_with_state(tmp_path: Any) -> None:
    def program(L: Any, dcp: Any, sd: Any, path: str) -> Any:
        class Counter:
            def __init__(self, n: int) -> None:
                self.n = n

            def state_dict(self) -> Any:
                return {"n": self.n}

            def load_state_dict(self, state: Any) -> None:
                self.n = state["n"]

        model, optim = trained(L)
        dcp.save({"model": model, "optim": optim, "app": Counter(5)}, checkpoint_id=path)
        other, second = trained(L, steps=1)
        counter = Counter(0)
        dcp.load({"model": other, "optim": second, "app": counter}, checkpoint_id=path)
        for ours, theirs in zip(model.state_dict().values(), other.state_dict().values()):
            assert L.equal(ours, theirs)
        moments = [optim.state_dict()["state"][0], second.state_dict()["state"][0]]
        assert L.equal(moments[0]["exp_avg"], moments[1]["exp_avg"])
        return counter.n, int(moments[1]["step"])

    assert same(program, tmp_path)[1] == [5, 2]


@pytest.mark.parametrize("change", ["missing", "size", "partial", "again", "nothing", "overwrite"])
def test_refusals(change: str, tmp_path: Any) -> None:
    def program(L: Any, dcp: Any, sd: Any, path: str) -> Any:
        dcp.save({"w": L.ones(2)}, checkpoint_id=path)
        state = {"w": L.zeros(2), "v": L.zeros(1)}
        try:
            if change == "missing":
                dcp.load(state, checkpoint_id=path)
            elif change == "size":
                dcp.load({"w": L.zeros(3)}, checkpoint_id=path)
            elif change == "partial":
                dcp.load(
                    state,
                    checkpoint_id=path,
                    planner=dcp.DefaultLoadPlanner(allow_partial_load=True),
                )
                return state
            elif change == "again":
                dcp.save({"w": L.full((3,), 2.0)}, checkpoint_id=path)
                state = {"w": L.zeros(3)}
                dcp.load(state, checkpoint_id=path)
                return state
            elif change == "nothing":
                dcp.load({"w": L.zeros(2)})
            else:
                dcp.save(state, storage_writer=dcp.FileSystemWriter(path, overwrite=False))
        except dcp.CheckpointException as error:
            (cause, _) = error.failures[0]
            assert str(cause) in str(error)
            return type(cause).__name__, str(cause).replace("anadrome.Size", "torch.Size")
        except RuntimeError as error:
            return str(error)

    same(program, tmp_path)


def test_saving_goes_on_behind(tmp_path: Any) -> None:
    def program(L: Any, dcp: Any, sd: Any, path: str) -> Any:
        w = L.ones(3, requires_grad=True)
        future = dcp.async_save({"w": w, "n": [1]}, checkpoint_id=path)
        with L.no_grad():
            w.add_(1)
        names = sorted(future.result(60).state_dict_metadata)
        state = {"w": L.zeros(3), "n": 0}
        dcp.load(state, checkpoint_id=path)
        return names, state, w.tolist()

    same(program, tmp_path)


WRAPPERS = {
    "none": lambda L: lambda m: m,
    "compile": lambda L: L.compile,
    "ddp": lambda L: L.nn.parallel.DistributedDataParallel,
}


@pytest.fixture
def world() -> Any:
    torch.distributed.init_process_group(
        "gloo", store=torch.distributed.HashStore(), world_size=1, rank=0
    )
    ad.distributed.init_process_group("gloo", world_size=1, rank=0)
    yield
    torch.distributed.destroy_process_group()
    ad.distributed.destroy_process_group()


@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize(
    "options",
    [{}, {"cpu_offload": True}, {"full_state_dict": True}, {"flatten_optimizer_state_dict": True}],
    ids=["plain", "cpu", "full", "flat"],
)
def test_state_by_the_models_names(
    wrapper: str, optimizer: str, options: Any, tmp_path: Any, world: Any
) -> None:
    if optimizer == "SGD" and "full_state_dict" in options:
        pytest.skip("PyTorch refuses the state of an optimizer that has none")

    def program(L: Any, dcp: Any, sd: Any, path: str) -> Any:
        wrap = WRAPPERS[wrapper](L)
        if wrapper == "compile" and L is torch:
            wrap = lambda m: torch.compile(m, backend="eager")
        opts = sd.StateDictOptions(**options)
        model, optim = trained(L, wrap, optimizer)
        of_model, of_optim = sd.get_state_dict(model, optim, options=opts)
        dcp.save({"model": of_model, "optim": of_optim}, checkpoint_id=path)
        other, second = trained(L, steps=0, optimizer=optimizer)
        fresh, unstepped = sd.get_state_dict(other, second, options=opts)
        dcp.load({"model": fresh, "optim": unstepped}, checkpoint_id=path)
        keys = sd.set_state_dict(
            other, second, model_state_dict=fresh, optim_state_dict=unstepped, options=opts
        )
        for ours, theirs in zip(model.parameters(), other.parameters()):
            assert L.equal(ours, theirs)
        if optimizer != "SGD":
            for ours, theirs in zip(optim.state.values(), second.state.values()):
                assert L.equal(ours["exp_avg_sq"], theirs["exp_avg_sq"])
        return shapes(of_model), _known(shapes(of_optim)), list(keys.missing_keys)

    same(program, tmp_path)


def _known(state: Any) -> Any:
    """Groups by the entries that both have."""
    if "param_groups" in state:
        shared = ("lr", "weight_decay", "params", "betas", "eps", "momentum")
        groups = [{k: v for k, v in g.items() if k in shared} for g in state["param_groups"]]
        return {"state": state["state"], "param_groups": groups}
    ours = ("lr", "weight_decay", "betas", "eps", "momentum")
    return {k: v for k, v in state.items() if k.startswith("state") or k.endswith(ours)}


@pytest.mark.parametrize(
    "case", ["frozen", "strict", "loose", "full", "several", "lacking", "empty"]
)
def test_reading_state(case: str, tmp_path: Any, world: Any) -> None:
    def program(L: Any, dcp: Any, sd: Any, path: str) -> Any:
        model, optim = trained(L)
        options = sd.StateDictOptions(
            strict=case != "loose", full_state_dict=case == "full",
            ignore_frozen_params=case == "frozen",
        )  # fmt: skip
        try:
            if case == "frozen":
                model[0].weight.requires_grad_(False)
                return list(sd.get_model_state_dict(model, options=options))
            if case in ("strict", "loose", "full"):
                state = sd.get_model_state_dict(model)
                del state["0.bias"]
                state["other"] = L.ones(1)
                keys = sd.set_model_state_dict(model, state, options=options)
                return list(keys.missing_keys), list(keys.unexpected_keys)
            if case == "empty":
                return sd.set_model_state_dict(model, {})
            optim.zero_grad()
            first = L.optim.Adam(list(model[0].parameters()), lr=0.5)
            second = L.optim.Adam(list(model[2].parameters()), lr=0.25)
            state = sd.get_optimizer_state_dict(model, (first, second))
            if case == "lacking":
                del state["state"]["2.bias"]
            rates = first.param_groups[0]["lr"], second.param_groups[0]["lr"]
            first.param_groups[0]["lr"] = second.param_groups[0]["lr"] = 0.0
            sd.set_optimizer_state_dict(model, (first, second), state)
            back = first.param_groups[0]["lr"], second.param_groups[0]["lr"]
            return rates, back, list(state["state"])
        except RuntimeError as error:
            return str(error).split(".")[0][:60]

    same(program, tmp_path)


def test_files_are_values_and_json(tmp_path: Any) -> None:
    dcp, _ = of(ad)
    dcp.save({"w": ad.ones(2), "n": 1}, checkpoint_id=tmp_path)
    dcp.save({"w": ad.ones(2), "n": 2}, checkpoint_id=tmp_path)
    names = sorted(p.name for p in tmp_path.iterdir())
    assert len(names) == 2 and names[0] == ".metadata" and names[1].endswith(".safetensors")
    assert json.loads((tmp_path / ".metadata").read_text())["data"] == names[1]
    with pytest.raises(dcp.CheckpointException, match="n.* is a object"):
        dcp.save({"n": object()}, checkpoint_id=tmp_path)
    state = {"n": 0}
    dcp.load(state, checkpoint_id=tmp_path)
    assert state == {"n": 2}  # the save that failed has left the one before


def test_checkpoints_of_pytorchs_own_are_refused(tmp_path: Any) -> None:
    theirs, _ = of(torch)
    dcp, _ = of(ad)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.save({"w": torch.ones(2)}, checkpoint_id=tmp_path)
    with pytest.raises(dcp.CheckpointException, match="dcp_to_torch_save"):
        dcp.load({"w": ad.ones(2)}, checkpoint_id=tmp_path)
    with pytest.raises(dcp.CheckpointException, match="has no checkpoint"):
        dcp.load({"w": ad.ones(2)}, checkpoint_id=tmp_path / "none")
    (tmp_path / ".metadata").write_text('{"format": "other"}')
    with pytest.raises(dcp.CheckpointException, match="damaged"):
        dcp.load({"w": ad.ones(2)}, checkpoint_id=tmp_path)


def test_one_file_and_a_folder(tmp_path: Any) -> None:
    def program(L: Any, dcp: Any, sd: Any, path: str) -> Any:
        if L is ad:
            from anadrome.distributed.checkpoint import format_utils as f
        else:
            from torch.distributed.checkpoint import format_utils as f
        state = {"m": {"w": L.ones(2)}, "l": [L.zeros(1), {"k": 3}], "n": 5}
        dcp.save(state, checkpoint_id=path)
        f.dcp_to_torch_save(path, path + ".pt")
        one = L.load(path + ".pt")
        f.torch_save_to_dcp(path + ".pt", path + "2")
        state = {"m": {"w": L.zeros(2)}, "n": 0}
        dcp.load(state, checkpoint_id=path + "2")
        return one, state

    same(program, tmp_path)


@pytest.mark.parametrize("options", [{}, {"save_distributed": True}, {"numbers": True}])
def test_files_of_model_hubs(options: Any, tmp_path: Any) -> None:
    def program(L: Any, dcp: Any, sd: Any, path: Any) -> Any:
        state = {"w": L.arange(6.0).reshape(2, 3), "b": L.ones(2, dtype=L.bfloat16)}
        given = {"fqn_to_index_mapping": {"w": 1, "b": 2}} if "numbers" in options else options
        dcp.save(state, storage_writer=dcp.HuggingFaceStorageWriter(path, **given))
        blank = {"w": L.zeros(2, 3), "b": L.zeros(2)}
        dcp.load(blank, storage_reader=dcp.HuggingFaceStorageReader(path))
        index = Path(path) / "model.safetensors.index.json"
        weights = json.loads(index.read_text())["weight_map"] if index.exists() else None
        return blank, sorted(p.name for p in Path(path).iterdir()), weights

    pytest.importorskip("safetensors.torch")
    same(program, tmp_path)


def test_what_is_not_asked_is_refused(tmp_path: Any) -> None:
    dcp, _ = of(ad)

    class Own(dcp.StorageWriter):
        pass

    with pytest.raises(TypeError, match="Own of your own is not asked here; write a FileSystemW"):
        dcp.save({}, storage_writer=Own())
    with pytest.raises(TypeError, match="planner: a int is not a DefaultLoadPlanner"):
        dcp.load({}, checkpoint_id=tmp_path, planner=3)
    with pytest.raises(ValueError, match="a checkpoint is a folder"):
        dcp.save({}, checkpoint_id="s3://bucket/name")
