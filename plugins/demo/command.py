"""`anadrome demo`: its arguments, and a run from the data to the picture."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import DemoError, require

if TYPE_CHECKING:
    import numpy as np

    import anadrome as ad
    from anadrome import nn

    from .data import Split
    from .training import Settings

PACKAGES = {
    "sklearn": "scikit-learn",
    "matplotlib": "matplotlib",
    "tqdm": "tqdm",
    "safetensors": "safetensors",
}
DEVICES = {"numpy": "cpu", "cupy": "cuda"}


def positive(text: str) -> int:
    """An argument that counts something."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not a positive number")
    return value


def seed_number(text: str) -> int:
    """A seed that every generator in the run accepts."""
    value = int(text)
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(f"{value} is not between 0 and 2**32 - 1")
    return value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the demo's arguments."""
    parser.description = (
        "Trains a residual network on 1,797 real scans of handwritten digits, or with --csv and "
        "--target on a table of your own; then saves, reloads and tests it, and draws a picture."
    )
    add = parser.add_argument
    add("--backend", choices=sorted(DEVICES), default="numpy", help="numpy: CPU; cupy: NVIDIA GPU")
    add("--amp", action="store_true", help="mixed precision: autocast and a gradient scaler")
    add("--checkpoint", action="store_true", help="recompute the blocks in the backward pass")
    add("--epochs", type=positive, metavar="N", help="passes over the data (default: by its size)")
    add("--seed", type=seed_number, default=0, metavar="N", help="the same seed, the same run")
    add("--out", default="anadrome-demo", metavar="DIR", help="where the results go (%(default)s)")
    add("--csv", metavar="FILE", help="a table of your own, with column names in its first line")
    add("--target", metavar="COLUMN", help="the column of --csv to predict: classes or a quantity")


def run_demo(args: argparse.Namespace) -> int:
    """Run, and turn what the user can mend into one line on stderr and exit status 2."""
    try:
        require(PACKAGES)
        from threadpoolctl import threadpool_limits  # scikit-learn needs it too

        # The products here are too small to gain from a second BLAS thread, and wait long for one
        # where other programs keep the cores busy.
        with threadpool_limits(1, "blas"):
            return demo(args)
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def demo(args: argparse.Namespace) -> int:
    """Data, model, training, saving, reloading, result, picture."""
    check(args)
    # Only now: these modules import what was just checked, and a usage error needs none of it.
    import anadrome as ad

    from .model import build
    from .picture import draw
    from .training import predict, train

    device = choose_device(args.backend)
    split = load(args)
    out = make_folder(args.out)

    ad.manual_seed(args.seed)
    model = build(split, args.checkpoint).to(device)
    settings = choose_settings(args, split, device)
    introduce(args, split, model, settings)

    start = time.perf_counter()
    history = train(model, split, settings)
    seconds = time.perf_counter() - start
    outputs = predict(model, split.test_x, device)
    first, last = history.loss[0], history.loss[-1]
    print(f"trained in {seconds:.1f} s; loss {first:.3f}, at the end {last:.3f}")

    weights = out / "weights.safetensors"
    ad.save(model.state_dict(), weights)
    # A model that shares nothing with the trained one but the file.
    fresh = build(split, args.checkpoint).to(device)
    fresh.load_state_dict(ad.load(weights))
    same = compare(outputs, predict(fresh, split.test_x, device), weights)

    summary = report(split, outputs)
    picture = out / "picture.png"
    draw(picture, split, history, outputs, f"anadrome demo: {split.target}, {summary}")
    print(f"picture written to {picture}")
    return 0 if same else 1


def check(args: argparse.Namespace) -> None:
    """--csv and --target come together."""
    if args.csv is not None and args.target is None:
        raise DemoError("--csv needs --target COLUMN, the column to predict")
    if args.target is not None and args.csv is None:
        raise DemoError("--target needs --csv FILE, the table that has the column")


def choose_device(backend: str) -> ad.device:
    """The backend's device, if this machine has it."""
    import anadrome as ad

    if backend == "cupy" and not ad.cuda.is_available():
        raise DemoError(
            "--backend cupy needs an NVIDIA GPU and CuPy "
            '(pip install -e ".[cuda12]" or ".[cuda13]"); --backend numpy needs neither'
        )
    return ad.device(DEVICES[backend])


def load(args: argparse.Namespace) -> Split:
    """The user's table, or the digits."""
    if args.csv is not None:
        from .table import load_table

        return load_table(args.csv, args.target, args.seed)
    from .digits import load_digits

    return load_digits(args.seed)


def make_folder(name: str) -> Path:
    """Make the folder for results before the training, not after it."""
    out = Path(name)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DemoError(f"cannot make the folder {name}: {error.strerror}") from None
    return out


def choose_settings(args: argparse.Namespace, split: Split, device: ad.device) -> Settings:
    """Batch size, epochs and step size by the kind and amount of data."""
    from .training import Settings

    rows = len(split.train_x)
    if split.train_x.ndim == 4:
        return Settings(device, args.epochs or 12, 64, args.seed, amp=args.amp)
    batch = 32 if rows < 2_000 else 128 if rows < 50_000 else 512
    # A very small table needs more passes to get anywhere; more than this only learns its noise.
    epochs = max(15, 150 * batch // rows)
    return Settings(
        device, args.epochs or epochs, batch, args.seed, amp=args.amp, rate=3e-3, weight_decay=0.05
    )


def introduce(args: argparse.Namespace, split: Split, model: nn.Module, settings: Settings) -> None:
    """Say what is about to be trained on what, and how."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    source = args.csv if args.csv is not None else "scikit-learn's handwritten digits"
    task = f"{len(split.classes)} classes" if split.classes else "a quantity"
    precision = f"autocast to {str(settings.half).split('.')[-1]}" if settings.amp else "float32"
    blocks = ", blocks checkpointed" if args.checkpoint else ""
    print(f"data: {source}: {len(split.train_x)} rows to train on, {len(split.test_x)} held out")
    print(f"task: {split.kind}: {split.target!r}, {task}")
    print(f"model: {type(model).__name__}, {parameters:,} parameters, {precision}{blocks}")
    print(
        f"training: {settings.epochs} epochs, batches of {settings.batch}, device "
        f"{settings.device}, seed {args.seed}",
        flush=True,
    )


def compare(before: np.ndarray, after: np.ndarray, weights: Path) -> bool:
    """Whether the reloaded model predicts what the trained one does; says which."""
    import numpy as np

    same = np.array_equal(before, after)
    print(f"weights saved to {weights} and loaded into a fresh model: ", end="")
    if same:
        print(f"all {len(before)} predictions identical")
    else:
        print(f"predictions DIFFER by up to {np.abs(before - after).max():.3g}")
    return same


def report(split: Split, outputs: np.ndarray) -> str:
    """Print the result on the held-out rows, and return it for the picture's title."""
    import numpy as np

    if split.classes:
        accuracy = (outputs.argmax(axis=1) == split.test_y).mean()
        summary = f"test accuracy {100 * accuracy:.1f} %"
        print(summary)
        return summary
    error = (outputs - split.test_y).astype(np.float64) * split.scale
    spread = split.test_y.astype(np.float64).std() * split.scale
    rmse = np.sqrt((error**2).mean())
    # With all held-out values equal, nothing is there to be explained.
    r2 = 1 - (rmse / spread) ** 2 if spread > 0 else float("nan")
    summary = f"test R² {r2:.2f}"
    print(summary)
    print(f"test RMSE {rmse:.4g}, where the held-out {split.target!r} has a spread of {spread:.4g}")
    return summary
