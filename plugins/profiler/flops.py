"""flops: how many multiplications and additions a program asks for (``utils.flop_counter``).

Counted from shapes, in products and convolutions, forward and backward; a multiplication and an
addition are two. What a backward does is counted under ``Global`` alone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

from anadrome import Mode
from anadrome.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)


def _product(a: Any, b: Any, out: Any) -> int:
    return 2 * math.prod(out.shape) * a.shape[-1]


def _convolution(x: Any, w: Any, out: Any) -> int:
    # Each value of the result is a product with one filter: (out, in / groups, *kernel).
    return 2 * math.prod(out.shape) * math.prod(w.shape[1:])


def _of(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> int:
    """The count of one call; 0 for what is no product."""
    if name in ("mm", "bmm", "matmul"):
        return _product(args[0], args[1], out)
    if name in ("addmm", "baddbmm"):
        return _product(args[1], args[2], out)
    if name == "attention":  # two products: the scores, and the weights with the values
        query, key = args[:2]
        return 2 * (math.prod(query.shape) + math.prod(out[0].shape)) * key.shape[-2]
    if name == "linear":
        return _product(args[0], args[1], out)
    if name == "convolution":
        return _convolution(args[0], args[1], out)
    if name == "conv_input":
        grad, w = args[:2]
        return 2 * math.prod(grad.shape) * math.prod(w.shape[1:])
    if name == "conv_weight":
        grad = args[0]
        return 2 * math.prod(grad.shape) * math.prod(kwargs["shape"][1:])
    return 0


class FlopCounterMode(Mode):
    """Counts what is computed inside (PyTorch: ``torch.utils.flop_counter.FlopCounterMode``).

    ``display``: print the table at the end. ``depth``: down to which submodules. ``mods`` is
    accepted: modules are found by themselves. ``custom_mapping``: functions that count further ops
    of anadrome, by name, called as ``f(*args, out_val=out, **keywords)``.

    >>> import anadrome as ad
    >>> from anadrome.utils.flop_counter import FlopCounterMode
    >>> with FlopCounterMode(display=False) as counter:
    ...     y = ad.nn.Linear(3, 5)(ad.ones(2, 3))
    >>> counter.get_total_flops()
    60
    """

    sees_rules = True

    def __init__(
        self,
        mods: Any = None,
        depth: int = 2,
        display: bool = True,
        custom_mapping: dict[Any, Any] | None = None,
    ) -> None:
        self.depth = depth
        self.display = display
        self.custom = {str(k): f for k, f in (custom_mapping or {}).items()}
        self.flop_counts: dict[str, dict[str, int]] = {}
        self._reset()

    def _reset(self) -> None:
        self.flop_counts = defaultdict(lambda: defaultdict(int))
        self._inside: list[str] = []
        self._names: dict[int, str] = {}

    def __enter__(self) -> FlopCounterMode:
        self._reset()
        self._handles = [
            register_module_forward_pre_hook(self._entered),
            register_module_forward_hook(self._left, always_call=True),
        ]
        super().__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        for handle in self._handles:
            handle.remove()
        if self.display:
            print(self.get_table(self.depth))

    def _entered(self, module: Any, args: Any) -> None:
        if not self._inside:
            for name, m in module.named_modules(prefix=type(module).__name__):
                self._names[id(m)] = name
        self._inside.append(self._names.get(id(module), type(module).__name__))

    def _left(self, module: Any, args: Any, output: Any) -> None:
        self._inside.pop()

    def intercept(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Count the call, and let it pass."""
        out = op(*args, **kwargs)
        custom = self.custom.get(op.__name__)
        count = _of(op.__name__, args, kwargs, out) if custom is None else custom(
            *args, out_val=out, **kwargs
        )  # fmt: skip
        if count:
            for name in {"Global", *self._inside}:
                self.flop_counts[name][op.__name__] += count
        return out

    def get_total_flops(self) -> int:
        """All of it."""
        return sum(self.flop_counts["Global"].values())

    def get_flop_counts(self) -> dict[str, dict[str, int]]:
        """By module (``Global`` is all), and in it by op."""
        return {name: dict(counts) for name, counts in self.flop_counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """As text: each module down to ``depth``, and each op in it."""
        depth = self.depth if depth is None else depth
        total = max(self.get_total_flops(), 1)
        lines = [f"{'Module':<40} {'FLOP':>15} {'% Total':>8}"]
        for name in sorted(self.flop_counts, key=lambda n: (n != "Global", n)):
            level = 0 if name == "Global" else name.count(".") + 1
            if level > depth:
                continue
            counts = self.flop_counts[name]
            rows = [(" " * level + name, sum(counts.values()))]
            rows += [(" " * level + f" - {op}", n) for op, n in counts.items()]
            lines += [f"{text:<40} {n:>15,} {n / total:>8.2%}" for text, n in rows]
        return "\n".join(lines)
