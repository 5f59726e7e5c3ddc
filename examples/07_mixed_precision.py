"""7. Mixed precision: half where it is safe, float32 where it is not, and a scale for gradients.

`autocast` chooses each operation's precision. `GradScaler` multiplies the loss, so that gradients
too small for float16 survive, and skips the steps in which they overflow. It runs on any CPU: half
precision there means half storage, with products accumulated in float32.
"""

from __future__ import annotations

import math
from typing import Any

import anadrome as ad
from anadrome import nn, optim


def short(dtype: Any) -> str:
    """`bfloat16` of `anadrome.bfloat16`."""
    return str(dtype).split(".")[-1]


def choices(half: ad.dtype) -> dict[str, str]:
    """The dtype in which autocast runs each kind of operation, given float32 and half inputs."""
    ad.manual_seed(0)
    x = ad.randn(4, 8)
    w = ad.randn(8, 3)
    layer = nn.Linear(8, 3)
    conv = nn.Conv1d(8, 3, kernel_size=1)
    target = ad.zeros(4, 3)
    labels = ad.tensor([0, 1, 2, 0])
    with ad.amp.autocast(device_type="cpu", dtype=half):
        y = x.mm(w)
        found = {
            # The expensive ones, which are products: half.
            "mm": y,
            "nn.Linear": layer(x),
            "nn.Conv1d": conv(x.unsqueeze(-1)),
            # The ones that lose too much in half: float32.
            "mse_loss": nn.functional.mse_loss(y, target),
            "cross_entropy": nn.functional.cross_entropy(y, labels),
            "prod": y.prod(),
            # The ones with several inputs: the widest of these.
            "cat of half and float32": ad.cat([y, target]),
            "y + float32": y + target,
            # All the others: as they come.
            "relu of half": y.relu(),
            "relu of float32": x.relu(),
        }
    return {name: short(tensor.dtype) for name, tensor in found.items()}


def regions() -> dict[str, Any]:
    """Nested and disabled regions, and the cast of a weight that is made once per region."""
    x = ad.ones(4, 8)
    w = ad.ones(8, 3, requires_grad=True)
    v = ad.ones(8, 3)
    dtypes = {}
    with ad.amp.autocast(device_type="cpu", dtype=ad.bfloat16):
        first = x.mm(w)
        dtypes["outer"] = short(first.dtype)
        with ad.amp.autocast(device_type="cpu", dtype=ad.float16):
            dtypes["nested, float16"] = short(x.mm(v).dtype)
        with ad.amp.autocast(device_type="cpu", enabled=False):
            # What comes in from outside is still half: `.float()` asks for float32.
            dtypes["disabled"] = short(x.mm(w).dtype)
            dtypes["disabled, half input"] = short((first.float() * 2).dtype)
        second = x.mm(w)
        dtypes["outer again"] = short(second.dtype)
        third = x.mm(w)
    dtypes["after"] = short(x.mm(w).dtype)
    for name, dtype in dtypes.items():
        print(f"   {name:22} {dtype}")

    def cast_of_weight(result: ad.Tensor) -> Any:
        """The node that made the half copy of `w`, the second input of `mm`."""
        return result.grad_fn.next_functions[1][0]

    cached = cast_of_weight(second) is cast_of_weight(third)
    with ad.amp.autocast(device_type="cpu", dtype=ad.bfloat16, cache_enabled=False):
        uncached = cast_of_weight(x.mm(w)) is cast_of_weight(x.mm(w))
    print(f"   two products in a region share one cast of the weight: {cached}")
    print(f"   with cache_enabled=False: {uncached}")

    # The weight stays float32, and so does its gradient.
    second.sum().backward()
    print(f"   the weight is {short(w.dtype)}, its gradient {short(w.grad.dtype)}")
    return {
        "dtypes": dtypes,
        "cached": cached,
        "uncached": uncached,
        "grad_dtype": short(w.grad.dtype),
    }


def accumulation() -> dict[str, float]:
    """Half storage, float32 sums: 4,096 ones add up to 4,096 in a product."""
    ones = ad.ones(1, 4096)
    with ad.amp.autocast(device_type="cpu", dtype=ad.float16):
        product = ones.mm(ones.t()).item()
    running = ad.tensor(0.0, dtype=ad.float16)
    for _ in range(4096):
        running = running + 1
    print(f"   1 + 1 + … (4096 times) as a product: {product}; one by one in float16:")
    print(f"   {running.item()}, where float16 has no number between 2048 and 2050")
    return {"product": product, "one_by_one": running.item()}


def underflow() -> dict[str, float]:
    """A gradient that float16 rounds to zero, and the same one under a scale."""
    scaler = ad.amp.GradScaler(device="cpu", init_scale=2.0**16)
    w = ad.ones(8, 1, requires_grad=True)
    optimizer = optim.SGD([w], lr=1.0)
    x = ad.ones(4, 8)

    def tiny_loss() -> ad.Tensor:
        with ad.amp.autocast(device_type="cpu", dtype=ad.float16):
            y = x.mm(w)
        return y.float().mean() * 1e-8

    tiny_loss().backward()
    lost = w.grad[0].item()
    optimizer.zero_grad()
    scaled_loss = scaler.scale(tiny_loss())
    scaled_loss.backward()
    scaler.unscale_(optimizer)
    kept = w.grad[0].item()
    print(f"   a gradient of 1e-08 through float16: {lost}; with the loss scaled: {kept:.2e}")
    return {"lost": lost, "kept": kept}


def scaler_by_steps() -> dict[str, Any]:
    """Growth after two good steps in a row, a skipped step and backoff after a bad one."""
    scaler = ad.amp.GradScaler(
        device="cpu",
        init_scale=16.0,
        growth_factor=2.0,
        backoff_factor=0.5,
        growth_interval=2,
        track_overflow="always",
    )
    w = ad.ones(1, requires_grad=True)
    optimizer = optim.SGD([("w", w)], lr=0.1)
    log = []
    for factor in (1.0, 1.0, math.inf, 1.0, math.nan, 1.0, 1.0):
        optimizer.zero_grad()
        scale = scaler.get_scale()
        scaler.scale((w * factor).sum()).backward()
        # Clipping and looking at gradients are done here, in their true size.
        scaler.unscale_(optimizer)
        gradient = w.grad.item()
        outcome = scaler.step(optimizer)
        scaler.update()
        log.append((scale, gradient, outcome.skipped, w.item()))
        print(
            f"   scale {scale:5.1f}  gradient {gradient:4}  "
            f"{'step skipped' if outcome.skipped else 'step taken  '}  w = {w.item():.1f}"
        )
    state = scaler.state_dict()
    restored = ad.amp.GradScaler(device="cpu")
    restored.load_state_dict(state)
    print(f"   state_dict(): {state}")
    told = scaler.summary()  # what was skipped, and which node made the infinity
    print(f"   {told.taken} steps taken, {told.skipped} skipped; the last: {told.last_skip}")
    return {
        "log": log,
        "state": state,
        "restored_scale": restored.get_scale(),
        "skipped": told.skipped,
    }


def train(half: ad.dtype | None) -> tuple[float, float]:
    """The first and the last loss of a training, in `half` or, for None, in float32."""
    ad.manual_seed(0)
    x = ad.randn(128, 16)
    y = x[:, :1] * x[:, 1:2]
    model = nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 1))
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    scaler = ad.amp.GradScaler(device="cpu", enabled=half is not None)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        # Forward and loss belong under autocast; backward runs in each operation's own precision.
        with ad.amp.autocast(device_type="cpu", dtype=half, enabled=half is not None):
            loss = nn.functional.mse_loss(model(x), y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
    return losses[0], losses[-1]


def older_names() -> dict[str, bool]:
    """Scripts written for `cuda.amp` run too; without a GPU their autocast does nothing."""
    on_gpu = ad.cuda.is_available()
    device = "cuda" if on_gpu else "cpu"
    model = nn.Linear(8, 1).to(device)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    scaler = ad.cuda.amp.GradScaler(enabled=on_gpu)
    before = model.weight.detach().clone()
    with ad.cuda.amp.autocast(enabled=on_gpu):
        loss = model(ad.ones(4, 8, device=device)).float().pow(2).mean()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
    moved = not ad.equal(before, model.weight)
    same_class = issubclass(ad.cuda.amp.GradScaler, ad.amp.GradScaler)
    print(f"   ad.cuda.amp: a GradScaler like the other: {same_class}; trains: {moved}")
    return {"same_class": same_class, "moved": moved}


def main() -> dict[str, Any]:
    """Show every part and return the numbers."""
    chosen = {}
    for half in (ad.bfloat16, ad.float16):
        chosen[short(half)] = choices(half)
    print("what runs in which precision under autocast")
    for name, dtype in chosen["bfloat16"].items():
        print(f"   {name:24} {dtype:10} {chosen['float16'][name]}")
    print("nested and disabled regions, a product of float32 matrices")
    in_regions = regions()
    print("accumulation")
    accumulated = accumulation()
    print("underflow")
    underflowed = underflow()
    print("GradScaler, step by step")
    stepped = scaler_by_steps()
    print("the same training in three precisions: first and last loss")
    trained = {}
    for half in (None, ad.bfloat16, ad.float16):
        name = "float32" if half is None else short(half)
        trained[name] = train(half)
        print(f"   {name:10} {trained[name][0]:.4f} {trained[name][1]:.4f}")
    print("the older names")
    return {
        "choices": chosen,
        "regions": in_regions,
        "accumulation": accumulated,
        "underflow": underflowed,
        "scaler": stepped,
        "trained": trained,
        "older_names": older_names(),
    }


if __name__ == "__main__":
    main()
