"""8. Checkpointing: memory for time, with the same gradients bit for bit.

A checkpointed segment keeps its inputs only. When backward comes to it, it runs again, draws the
same random numbers, and its values are there after all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anadrome as ad
from anadrome import nn
from anadrome.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential

BLOCKS = 8


def block() -> nn.Module:
    """A segment with a random part, so that running it again could go wrong."""
    return nn.Sequential(nn.Linear(64, 64), nn.GELU(), nn.Dropout(0.3), nn.Linear(64, 64))


def compare(model: nn.Module, plain: Callable[[], Any], saving: Callable[[], Any]) -> bool:
    """Whether two ways to a loss give it and every gradient the same bits."""
    results = []
    for way in (plain, saving):
        model.zero_grad()
        ad.manual_seed(7)  # both ways meet the same dropout masks
        loss = way()
        loss.backward()
        results.append([loss.detach(), *(p.grad.clone() for p in model.parameters())])
    return all(ad.equal(a, b) for a, b in zip(*results, strict=True))


def bytes_saved(way: Callable[[], Any]) -> int:
    """How many bytes of values the forward pass keeps for the backward pass."""
    total = 0

    def pack(tensor: ad.Tensor) -> ad.Tensor:
        nonlocal total
        total += tensor.numel() * tensor.element_size()
        return tensor

    with ad.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        way()
    return total


def one_segment() -> dict[str, Any]:
    """A single segment: how often it runs, and when."""
    calls: list[str] = []
    when = "forward"
    layer = block()

    def segment(x: ad.Tensor) -> ad.Tensor:
        calls.append(when)
        return layer(x)

    x = ad.randn(32, 64)
    loss = checkpoint(segment, x, use_reentrant=False).pow(2).mean()
    when = "backward"
    loss.backward()
    same = compare(
        layer,
        lambda: layer(x).pow(2).mean(),
        lambda: checkpoint(layer, x, use_reentrant=False).pow(2).mean(),
    )
    print(f"one segment: runs in {' and in '.join(calls)}; same bits: {same}")
    return {"calls": calls, "same": same}


def stack() -> dict[str, Any]:
    """A deep stack: each block checkpointed, `checkpoint_sequential`, and what is kept."""
    ad.manual_seed(0)
    model = nn.Sequential(*(block() for _ in range(BLOCKS)))
    x = ad.randn(128, 64, requires_grad=True)

    def plain() -> ad.Tensor:
        return model(x).pow(2).mean()

    def each_block() -> ad.Tensor:
        h = x
        for layer in model:
            h = checkpoint(layer, h, use_reentrant=False)
        return h.pow(2).mean()

    def in_segments() -> ad.Tensor:
        # Four segments of two blocks; the last one is run without, as it is needed at once.
        return checkpoint_sequential(model, 4, x, use_reentrant=False).pow(2).mean()

    same = {}
    kept = {}
    for name, way in (("plain", plain), ("each block", each_block), ("sequential", in_segments)):
        same[name] = compare(model, plain, way)
        kept[name] = bytes_saved(way)
        print(f"{BLOCKS} blocks, {name:10}: keeps {kept[name]:9,} bytes; same bits: {same[name]}")
    return {"same": same, "kept": kept}


def nested() -> bool:
    """A checkpoint inside a checkpoint: the inner one runs again when the outer one does."""
    ad.manual_seed(0)
    inner = block()
    outer = block()
    model = nn.ModuleList([inner, outer])
    x = ad.randn(32, 64)

    def both(x: ad.Tensor) -> ad.Tensor:
        return outer(checkpoint(inner, x, use_reentrant=False))

    same = compare(
        model,
        lambda: outer(inner(x)).pow(2).mean(),
        lambda: checkpoint(both, x, use_reentrant=False).pow(2).mean(),
    )
    print(f"nested: same bits: {same}")
    return same


def arguments() -> bool:
    """Keyword arguments, arguments that are no tensors, and several outputs."""
    ad.manual_seed(0)
    layer = block()
    x = ad.randn(32, 64)

    def segment(
        x: ad.Tensor, power: int, *, scale: float = 1.0, mask: ad.Tensor | None = None
    ) -> tuple[ad.Tensor, ad.Tensor, str]:
        h = layer(x) * scale
        if mask is not None:
            h = h * mask
        return h.pow(power), h.abs(), "done"

    def loss(run: Callable[..., Any]) -> ad.Tensor:
        mask = ad.ones(64)
        a, b, note = run(x, 2, scale=0.5, mask=mask)
        assert note == "done"
        return a.mean() + b.mean()

    same = compare(
        layer,
        lambda: loss(segment),
        lambda: loss(lambda *a, **k: checkpoint(segment, *a, use_reentrant=False, **k)),
    )
    print(f"keyword and non-tensor arguments, three outputs: same bits: {same}")
    return same


def under_autocast() -> bool:
    """The second run is under autocast as the first was, though backward is called outside."""
    ad.manual_seed(0)
    layer = block()
    x = ad.randn(32, 64)

    def loss(run: Callable[[ad.Tensor], ad.Tensor]) -> ad.Tensor:
        with ad.amp.autocast(device_type="cpu", dtype=ad.bfloat16):
            return run(x).float().pow(2).mean()

    same = compare(
        layer,
        lambda: loss(layer),
        lambda: loss(lambda x: checkpoint(layer, x, use_reentrant=False)),
    )
    print(f"under autocast, with dropout: same bits: {same}")
    return same


def random_numbers() -> bool:
    """What is drawn after a checkpointed step is not disturbed by what backward drew again."""
    layer = block()
    x = ad.randn(32, 64)
    drawn = []
    for run in (layer, lambda x: checkpoint(layer, x, use_reentrant=False)):
        ad.manual_seed(3)
        run(x).sum().backward()
        drawn.append(ad.randn(4))
    same = ad.equal(*drawn)
    print(f"the random numbers after it are the same too: {same}")
    return same


def statistics() -> dict[str, Any]:
    """Batch norm counts each batch once, though the block runs twice."""
    layer = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.GELU())
    checkpoint(layer, ad.randn(32, 64)).sum().backward()
    batches = int(layer[1].num_batches_tracked)
    print(f"batch norm in a segment has counted {batches} batch")
    return {"batches": batches}


def self_test() -> dict[str, Any]:
    """A segment that reads something that changes: the first op that it reached is named."""
    scale = [2.0]
    x = ad.randn(32, 64, requires_grad=True)
    y = checkpoint(lambda x: (x.sin() * scale[0]).exp().tanh(), x, determinism_check="values")
    scale[0] = 3.0
    try:
        y.sum().backward()
    except CheckpointError as error:
        print(f"self-test: {str(error).splitlines()[0]}")
        return {"found": "`mul`" in str(error)}
    return {"found": False}


def elsewhere() -> dict[str, Any]:
    """The other way: what is saved goes to a file, and comes back with the same bits."""
    ad.manual_seed(0)
    layer = block()
    x = ad.randn(32, 64)

    def on_disk() -> ad.Tensor:
        with ad.autograd.graph.save_on_disk():
            return layer(x).pow(2).mean()

    same = compare(layer, lambda: layer(x).pow(2).mean(), on_disk)
    print(f"saved on disk: same bits: {same}")
    return {"same": same}


def main() -> dict[str, Any]:
    """Checkpoint in every way and return what was compared."""
    return {
        "one_segment": one_segment(),
        "stack": stack(),
        "nested": nested(),
        "arguments": arguments(),
        "under_autocast": under_autocast(),
        "random_numbers": random_numbers(),
        "statistics": statistics(),
        "self_test": self_test(),
        "elsewhere": elsewhere(),
    }


if __name__ == "__main__":
    main()
