"""The picture of a run: loss, gradient norm per layer, and what the model says about the test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .data import CLASSIFICATION, Split
from .training import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

GRID_ROWS = 6
GRID_COLUMNS = 10
GREY = "0.75"
RED = "tab:red"


def draw(path: Path, split: Split, history: History, outputs: np.ndarray, title: str) -> None:
    """Write the picture as PNG; `outputs` are the model's for the test rows."""
    # A Figure of its own, without pyplot: no window system and no global state are touched, and
    # saving it renders with Agg.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 8), layout="constrained", dpi=110)
    figure.suptitle(title)
    subfigures: Any = figure.subfigures(1, 2)
    left, right = subfigures
    loss_axes, norm_axes = left.subplots(2, 1, sharex=True)
    draw_loss(loss_axes, history)
    draw_norms(norm_axes, history)
    if split.test_x.ndim == 4:
        draw_digits(right, split, outputs)
    elif split.kind == CLASSIFICATION:
        draw_confusion(right.subplots(), split, outputs)
    else:
        draw_regression(right.subplots(), split, outputs)
    figure.savefig(path)


def running_mean(values: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """(steps, means over a thirtieth of the run), to see the course by through the noise."""
    window = max(1, len(values) // 30)
    means = np.convolve(values, np.ones(window) / window, mode="valid")
    return np.arange(window - 1, len(values)), means


def draw_loss(axes: Axes, history: History) -> None:
    """Every step's loss, and its running mean."""
    steps, smooth = running_mean(history.loss)
    axes.plot(history.loss, color=GREY, linewidth=0.8, label="each step")
    axes.plot(steps, smooth, color="tab:blue", label="running mean")
    axes.set_yscale("log")
    axes.set_ylabel("training loss")
    axes.legend()
    axes.grid(alpha=0.3)


def draw_norms(axes: Axes, history: History) -> None:
    """The gradient's norm in each layer over time: a line that sinks away is a layer that dies."""
    axes.plot(history.norm, color=GREY, linewidth=0.8, label="all, each step")
    for name, norms in history.layers.items():
        axes.plot(*running_mean(norms), linewidth=1.2, label=name)
    axes.set_yscale("log")
    axes.set_xlabel("step")
    axes.set_ylabel("gradient norm before clipping")
    axes.legend(fontsize="x-small", ncols=3)
    axes.grid(alpha=0.3)


def draw_digits(figure: SubFigure, split: Split, outputs: np.ndarray) -> None:
    """Test scans with the model's answers, the wrong ones first and in red."""
    predicted = outputs.argmax(axis=1)
    wrong = predicted != split.test_y
    figure.suptitle(f"{wrong.sum()} of {len(wrong)} test digits wrong", fontsize="medium")
    # A stable sort by "right" keeps the data's own order within each group.
    shown = np.argsort(~wrong, kind="stable")
    for index, axes in enumerate(figure.subplots(GRID_ROWS, GRID_COLUMNS).flat):
        axes.axis("off")
        if index >= len(shown):
            continue
        row = shown[index]
        axes.imshow(split.test_x[row, 0], cmap="gray_r")
        if wrong[row]:
            axes.set_title(f"{predicted[row]} not {split.test_y[row]}", color=RED, fontsize=9)
        else:
            axes.set_title(f"{predicted[row]}", fontsize=9)


def draw_confusion(axes: Axes, split: Split, outputs: np.ndarray) -> None:
    """How often each class was taken for each other one, in the test rows."""
    predicted = outputs.argmax(axis=1)
    size = len(split.classes)
    counts = np.zeros((size, size), dtype=int)
    np.add.at(counts, (split.test_y, predicted), 1)
    # Coloured by share of the true class, so that a rare class is judged like a frequent one.
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for true in range(size):
        for answer in range(size):
            count = counts[true, answer]
            if not count:
                continue
            shade = "white" if share[true, answer] > 0.5 else "black"
            color = shade if true == answer else RED
            axes.text(answer, true, str(count), ha="center", va="center", color=color)
    axes.set_xticks(range(size), split.classes, rotation=45, ha="right")
    axes.set_yticks(range(size), split.classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel(f"true {split.target}")
    axes.set_title("test rows")


def draw_regression(axes: Axes, split: Split, outputs: np.ndarray) -> None:
    """Predicted against true values of the test rows, in the target's own units."""
    true = split.test_y[:, 0] * split.scale + split.offset
    predicted = outputs[:, 0] * split.scale + split.offset
    low = min(true.min(), predicted.min())
    high = max(true.max(), predicted.max())
    axes.plot([low, high], [low, high], color=GREY, zorder=0)
    axes.scatter(true, predicted, s=14, alpha=0.6)
    axes.set_aspect("equal")
    axes.set_xlabel(f"true {split.target}")
    axes.set_ylabel("predicted")
    axes.set_title("test rows")
