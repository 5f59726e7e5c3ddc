"""einsum: sums of products in Einstein's notation, made of permute, reshape and bmm.

Each dimension of each operand has a label. A label that is not in the output is summed over, as
soon as no later operand has it. Operands are joined pairwise from the left, each pair by one
batched matrix product: the labels that both have and that remain are the batch, those that do not
are contracted.
"""

from __future__ import annotations

import functools
from typing import Any

from ..errors import ShapeError
from ..tensor import Tensor
from .products import same_dtype
from .shape import permute, reshape

#: A letter; or, for the dimensions that ``...`` stands for, their place counted from the right.
Label = Any


def einsum(equation: Any, *operands: Any) -> Tensor:
    """``einsum("bij,bjk->bik", a, b)``: see ``anadrome.einsum``."""
    if isinstance(equation, Tensor):
        equation, operands = _as_text((equation, *operands))
    if not isinstance(equation, str):
        raise TypeError(
            f"einsum(): the equation must be a string, not {type(equation).__name__}; or give "
            "Tensors and lists of subscripts in turn"
        )
    if not operands:
        raise ValueError("einsum(): must provide at least one operand")
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    terms, output = _parse(equation, tuple([x.ndim for x in operands]))
    sizes = _sizes(terms, operands)
    joined: Any = None
    labels: list[Label] = []
    for i, (term, x) in enumerate(zip(terms, operands)):
        x, term = _diagonal(x, term)
        needed = {label for later in (*terms[i + 1 :], output) for label in later}
        if joined is None:
            joined, labels = x, term
        else:
            joined, labels = _pair(joined, labels, x, term, needed, sizes)
        joined, labels = _summed(joined, labels, needed)
    return _ordered(joined, [labels.index(label) for label in output])


_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _as_text(given: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """``einsum(a, [0, 1], b, [1, 2], [0, 2])`` in the form of an equation."""
    parts = list(given)
    output = None if len(parts) % 2 == 0 else _spelled(parts.pop())
    inputs = ",".join(_spelled(part) for part in parts[1::2])
    return inputs if output is None else f"{inputs}->{output}", tuple(parts[::2])


def _spelled(subscripts: Any) -> str:
    if isinstance(subscripts, Tensor):
        raise TypeError("einsum(): each Tensor must be followed by a list of its subscripts")
    out = []
    for k in subscripts:
        if k is not Ellipsis and not 0 <= k < 52:
            raise ValueError(
                f"einsum(): expected subscript {k} to be within the valid range [0, 52), but it "
                "is not"
            )
        out.append("..." if k is Ellipsis else _LETTERS[k])
    return "".join(out)


@functools.lru_cache(maxsize=256)
def _parse(equation: str, ndims: tuple[int, ...]) -> tuple[list[list[Label]], list[Label]]:
    """The labels of each operand, of so many dimensions, and of the output."""
    inputs, arrow, given = equation.replace(" ", "").partition("->")
    texts = inputs.split(",")
    if len(texts) != len(ndims):
        raise ShapeError(
            f"einsum(): the equation {equation!r} has {len(texts)} operands, but "
            f"{len(ndims)} were given"
        )
    terms = [_labels(text, ndim, equation) for text, ndim in zip(texts, ndims)]
    widest = max((sum(not isinstance(label, str) for label in t) for t in terms), default=0)
    dots: list[Label] = list(range(-widest, 0))
    if not arrow:
        letters = sorted({c for c in inputs if c.isalpha() and inputs.count(c) == 1})
        return terms, [*dots, *letters]
    before, ellipsis, after = given.partition("...")
    output = [*before, *(dots if ellipsis else []), *after]
    known = {label for term in terms for label in term}
    for label in output:
        if label not in known or output.count(label) > 1:
            raise ShapeError(
                f"einsum(): output subscript {label} "
                + (
                    "appears more than once in the output"
                    if label in known
                    else "does not appear in the equation for any input operand"
                )
            )
    return terms, output


def _labels(text: str, ndim: int, equation: str) -> list[Label]:
    before, ellipsis, after = text.partition("...")
    named = len(before) + len(after)
    if not (before + after).isalpha() and named:
        raise ShapeError(
            f"einsum(): invalid subscript in {equation!r}: labels are letters, and '...' once"
        )
    if named > ndim or (not ellipsis and named != ndim):
        raise ShapeError(
            f"einsum(): the number of subscripts in the equation ({named}) does not match the "
            f"number of dimensions ({ndim}) for operand {text!r} of {equation!r}"
        )
    dots = list(range(named - ndim, 0)) if ellipsis else []
    return [*before, *dots, *after]


def _sizes(terms: list[list[Label]], operands: tuple[Any, ...]) -> dict[Label, int]:
    sizes: dict[Label, int] = {}
    for term, x in zip(terms, operands):
        own: dict[Label, int] = {}
        for label, n in zip(term, x.shape):
            if own.setdefault(label, n) != n:
                raise ShapeError(
                    f"einsum(): subscript {label} is repeated for an operand but the sizes don't "
                    f"match, {n} != {own[label]}"
                )
            known = sizes.setdefault(label, n)
            if known == 1:
                sizes[label] = n
            elif n not in (1, known):
                raise ShapeError(
                    f"einsum(): subscript {label} has size {n} for an operand which does not "
                    f"broadcast with previously seen size {known}"
                )
    return sizes


def _diagonal(x: Any, term: list[Label]) -> tuple[Any, list[Label]]:
    """A label that an operand has twice stands for its diagonal."""
    for label in dict.fromkeys(term):
        while term.count(label) > 1:
            first, second = [i for i, k in enumerate(term) if k == label][:2]
            x = x.diagonal(0, first, second)
            term = [*(k for i, k in enumerate(term) if i not in (first, second)), label]
    return x, term


def _summed(x: Any, labels: list[Label], needed: set[Label]) -> tuple[Any, list[Label]]:
    gone = tuple(i for i, label in enumerate(labels) if label not in needed)
    if not gone:
        return x, labels
    return x.sum(gone), [label for label in labels if label in needed]


def _pair(
    a: Any, has_a: list[Label], b: Any, has_b: list[Label], needed: set[Label], sizes: Any
) -> tuple[Any, list[Label]]:
    """Two operands joined by one batched matrix product, or by a plain one where nothing is summed.

    As in PyTorch the second takes operands of different types, the first does not.
    """
    a, has_a = _summed(a, has_a, needed | set(has_b))
    b, has_b = _summed(b, has_b, needed | set(has_a))
    for label in [k for k in has_a if k in has_b and k not in needed]:
        if 1 in (_size(a, has_a, label), _size(b, has_b, label)):
            a, has_a = _dropped(a, has_a, label)
            b, has_b = _dropped(b, has_b, label)
    both = [label for label in has_a if label in has_b]
    batch = [label for label in both if label in needed]
    contracted = [label for label in both if label not in needed]
    only_a = [label for label in has_a if label not in both]
    only_b = [label for label in has_b if label not in both]
    left = _arranged(a, has_a, (batch, only_a, contracted), both, sizes)
    right = _arranged(b, has_b, (batch, contracted, only_b), both, sizes)
    if contracted:
        same_dtype("expected scalar type of both operands to be the same", a, b)
    out = left.bmm(right) if contracted else left * right
    labels = [*batch, *only_a, *only_b]
    widths = [
        *(sizes[k] for k in batch),
        *(_size(a, has_a, k) for k in only_a),
        *(_size(b, has_b, k) for k in only_b),
    ]
    return reshape(out, shape=tuple(widths)), labels


def _ordered(x: Any, order: list[int]) -> Any:
    """The dimensions in that order."""
    return x if order == [*range(len(order))] else permute(x, dims=tuple(order))


def _dropped(x: Any, labels: list[Label], label: Label) -> tuple[Any, list[Label]]:
    """A label that the other operand does not need: one of them has it once."""
    i = labels.index(label)
    x = x.squeeze(i) if x.shape[i] == 1 else x.sum(i)
    return x, [k for k in labels if k != label]


def _size(x: Any, labels: list[Label], label: Label) -> int:
    return x.shape[labels.index(label)]


def _arranged(
    x: Any, labels: list[Label], groups: tuple[list[Label], ...], both: list[Label], sizes: Any
) -> Any:
    """Three dimensions, one a group of labels; those of size 1 are widened where shared."""
    x = _ordered(x, [labels.index(label) for group in groups for label in group])
    order = [label for group in groups for label in group]
    wide = tuple(sizes[k] if k in both else n for k, n in zip(order, x.shape))
    x = x.expand(wide) if wide != tuple(x.shape) else x
    lengths = []
    start = 0
    for group in groups:
        n = 1
        for k in wide[start : start + len(group)]:
            n *= k
        lengths.append(n)
        start += len(group)
    return reshape(x, shape=tuple(lengths))
