"""What TensorBoard reads from a SummaryWriter's files; event by event as PyTorch writes them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import anadrome as ad


def test_without_the_package_the_error_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['tensorboard'] = None\n"
        "import anadrome\n"
        "try:\n"
        "    from anadrome.utils.tensorboard import SummaryWriter\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install tensorboard" in ran.stdout, ran.stderr


@pytest.fixture
def needs_tensorboard() -> None:
    pytest.importorskip("tensorboard")


def test_scalars_and_texts_are_read_back(needs_tensorboard: None, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with ad.utils.tensorboard.SummaryWriter(tmp_path) as writer:
        for step in range(3):
            writer.add_scalar("loss", ad.tensor(1.0 / (step + 1)), step)
        writer.add_histogram("weights", ad.tensor([0.5, -0.5, 2.0]), 0)
        writer.add_text("note", "hello", 0)
        for refused in ("add_onnx_graph", "add_video", "add_mesh"):
            with pytest.raises(NotImplementedError, match="write"):
                getattr(writer, refused)("x", None)
        with pytest.raises(AssertionError, match="one number"):
            writer.add_scalar("loss", ad.ones(2), 0)
    read = EventAccumulator(str(tmp_path))
    read.Reload()
    assert [(e.step, e.value) for e in read.Scalars("loss")] == [
        (0, 1.0), (1, 0.5), (2, np.float32(1 / 3)),
    ]  # fmt: skip
    seen = read.Histograms("weights")[0].histogram_value
    assert (seen.min, seen.max, seen.num, seen.sum) == (-0.5, 2.0, 3, 2.0)
    assert read.Tensors("note/text_summary")[0].tensor_proto.string_val == [b"hello"]


def scalars(w: Any, t: Any) -> None:
    w.add_scalar("a", 1.5, 1)
    w.add_scalar("a", t(1), 2)
    w.add_scalar("n", t(1), 2, new_style=True)
    w.add_scalar("d", 1 / 3, 2, new_style=True, double_precision=True)
    w.add_scalars("m/x", {"p": 1.0, "q": t(1)[0]}, 4)


def histograms(w: Any, t: Any) -> None:
    for bins in ("tensorflow", "auto", 10):
        w.add_histogram(f"h{bins}", t(100) - 0.5, 1, bins=bins)
    w.add_histogram("coarse", t(100) - 0.5, 1, max_bins=20)
    w.add_histogram("zeros", t(5) * 0, 1)
    w.add_histogram("whole", (t(9) * 10).int(), 1)
    w.add_histogram("short", t(8).bfloat16(), 1)
    w.add_histogram_raw("raw", 0, 1, 3, 2.0, 1.5, [0.5, 1.0], [1, 2], 5)


def images(w: Any, t: Any) -> None:
    pytest.importorskip("PIL")
    w.add_image("rgb", t(3, 5, 7))
    w.add_image("grey", t(1, 5, 7), 2)
    w.add_image("hw", t(5, 7), dataformats="HW")
    w.add_image("hwc", t(5, 7, 3), dataformats="HWC")
    w.add_image("bytes", (t(3, 5, 7) * 255).byte())
    w.add_image("transparent", t(4, 5, 7))
    w.add_images("many", t(11, 3, 4, 5))
    w.add_images("grey ones", t(3, 1, 4, 5))
    w.add_images("nhwc", t(3, 4, 5, 3), dataformats="NHWC")


def figures(w: Any, t: Any) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from matplotlib import pyplot

    made = [pyplot.figure(figsize=(1, 1)) for _ in range(3)]
    made[0].gca().plot([1, 2, 3])
    w.add_figure("one", made[0], 1)
    w.add_figure("two", made[1:], 1, close=False)
    assert [pyplot.fignum_exists(f.number) for f in made] == [False, True, True]
    pyplot.close("all")


def others(w: Any, t: Any) -> None:
    w.add_text("t", "hello *w*", 1)
    w.add_audio("s", t(100) * 3 - 1, 1, 8000)
    w.add_pr_curve("pr", t(9) > 0.5, t(9), 1)
    w.add_pr_curve("weighted", t(5) > 0.5, t(5), 1, num_thresholds=10, weights=np.arange(5.0))
    w.add_pr_curve_raw("raw", *[t(6) for _ in range(6)], num_thresholds=6)
    charts = {"x": ["Multiline", ["a", "n"]], "y": ["Margin", ["a", "n", "d"]]}
    w.add_custom_scalars({"c": charts})


def hyperparameters(w: Any, t: Any) -> None:
    for i, values in enumerate(({"lr": 0.1}, {"s": "adam"}, {"b": True}, {"t": t(1)}, {"z": None})):
        choices = {"lr": {"lr": [0.1, 0.2]}, "s": {"s": ["adam", "sgd"]}}.get(next(iter(values)))
        w.add_hparams(values, {"acc": 0.5, "l": t(1)}, choices, run_name=f"run{i}", global_step=2)


def embeddings(w: Any, t: Any) -> None:
    pytest.importorskip("PIL")
    w.add_embedding(t(5, 3), list("abcde"), t(5, 3, 4, 4), global_step=1, tag="e/x")
    rows = [("a", 1), ("b", 2)]
    w.add_embedding(t(2, 3).double(), metadata=rows, metadata_header=["n", "v"])


def written(folder: Path) -> dict[str, list[Any]]:
    """Every file below it: its events without their times, or its bytes."""
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    out: dict[str, list[Any]] = {}
    for where, _, names in os.walk(folder):
        found = out.setdefault(os.path.relpath(where, folder), [])
        for name in sorted(names):
            path = os.path.join(where, name)
            if not name.startswith("events"):
                found.append((name, Path(path).read_bytes()))
                continue
            for event in LegacyEventFileLoader(path).Load():
                event.wall_time = 0.0
                found.append(str(event).replace("torch.utils.tensorboard", ""))
    return out


@pytest.mark.torch
@pytest.mark.parametrize(
    "record", [scalars, histograms, images, figures, others, hyperparameters, embeddings]
)
def test_files_are_those_that_pytorch_writes(
    record: Any, needs_tensorboard: None, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.tensorboard import SummaryWriter

    made = {}
    for name, lib, kind in (
        ("ours", ad, ad.utils.tensorboard.SummaryWriter), ("theirs", torch, SummaryWriter),
    ):  # fmt: skip
        rng = np.random.RandomState(0)
        folder = tmp_path / name
        with kind(str(folder), purge_step=3) as writer:
            record(writer, lambda *s: lib.from_numpy(rng.rand(*s).astype("float32")))
        made[name] = written(folder)
    assert made["ours"].keys() == made["theirs"].keys()
    for where, files in made["theirs"].items():
        assert made["ours"][where] == files
    assert sum(map(len, made["ours"].values())) > 3


def test_a_models_graph_is_that_of_its_ops(
    needs_tensorboard: None, tmp_path: Path, capsys: Any
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    class Net(ad.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = ad.nn.Sequential(ad.nn.Linear(3, 4), ad.nn.Tanh())
            self.register_buffer("scale", ad.ones(4))

        def forward(self, x: Any, y: Any) -> Any:
            return (self.body(x) * self.scale + y).exp()

    net = Net()
    with ad.utils.tensorboard.SummaryWriter(tmp_path) as writer:
        writer.add_graph(net, (ad.ones(2, 3), ad.ones(4)), verbose=True)
    assert net.training and not any(m._forward_hooks for m in net.modules())
    read = EventAccumulator(str(tmp_path))
    read.Reload()
    nodes = {node.name: node for node in read.Graph().node}
    assert 'name: "input/input"' in capsys.readouterr().out
    assert [n.op for n in nodes.values()].count("IO Node") == 3
    assert {n for n in nodes if nodes[n].op == "Parameter"} == {
        "Net/body/0/weight", "Net/body/0/bias", "Net/scale",
    }  # fmt: skip
    came: set[str] = set()
    waiting = ["output/output"]
    while waiting:  # all that the output comes of
        came.add(name := waiting.pop())
        waiting += nodes[name].input
    assert came == set(nodes)
    tanh = nodes["Net/Sequential[body]/Tanh[1]/tanh"]
    assert tanh.op == "aten::tanh"
    assert [d.size for d in tanh.attr["_output_shapes"].list.shape[0].dim] == [2, 4]
    assert tanh.input[0].startswith("Net/Sequential[body]/Linear[0]/")


def test_the_writer_is_imported_from_its_own_module() -> None:
    """As libraries do: `from torch.utils.tensorboard.writer import SummaryWriter`."""
    pytest.importorskip("tensorboard")
    from anadrome.utils.tensorboard.writer import FileWriter
    from anadrome.utils.tensorboard.writer import SummaryWriter as Writer

    assert Writer is ad.utils.tensorboard.SummaryWriter
    assert FileWriter is ad.utils.tensorboard.FileWriter
