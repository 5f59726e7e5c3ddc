"""rnn: sequences of unequal length, packed and padded (PyTorch: ``torch.nn.utils.rnn``)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple

from ... import creation, dtypes
from ...backend import by_type
from ...border import enclose, enclose_functions
from ...errors import DtypeError, ShapeError
from ...ops.joining import cat, stack
from ...tensor import Tensor, wrap

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Parts(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


@enclose
class PackedSequence(_Parts):
    """Sequences of falling length, step by step (PyTorch: ``torch.nn.utils.rnn.PackedSequence``).

    ``data``: (sum of lengths, *), first the first step of every sequence. ``batch_sizes``: int64,
    how many sequences each step has. ``sorted_indices`` and ``unsorted_indices``: the order of the
    sequences here in terms of the user's, and back; None if it is the same.
    Made by ``pack_padded_sequence`` and ``pack_sequence``; recurrent layers take and return it.
    """

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        if not isinstance(batch_sizes, Tensor):
            kind = type(batch_sizes).__name__
            raise TypeError(f"PackedSequence: batch_sizes must be a Tensor, not {kind}")
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """As ``Tensor.to`` of the data; the indices follow it to its device."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        orders = (None if i is None else i.to(data.device) for i in self[2:])
        return type(self)(data, self.batch_sizes, *orders)

    def cpu(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """On the CPU."""
        return self.to(*args, **{"device": "cpu", **kwargs})

    def cuda(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """On a GPU."""
        return self.to(*args, **{"device": "cuda", **kwargs})

    def double(self) -> PackedSequence:
        """In float64."""
        return self.to(dtype=dtypes.float64)

    def float(self) -> PackedSequence:
        """In float32."""
        return self.to(dtype=dtypes.float32)

    def half(self) -> PackedSequence:
        """In float16."""
        return self.to(dtype=dtypes.float16)

    def long(self) -> PackedSequence:
        """In int64."""
        return self.to(dtype=dtypes.int64)

    def int(self) -> PackedSequence:
        """In int32."""
        return self.to(dtype=dtypes.int32)

    def pin_memory(self) -> PackedSequence:
        """Accepted; this memory is the only kind there is."""
        return self

    def is_pinned(self) -> bool:
        """False."""
        return False

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a GPU."""
        return str(getattr(self.data, "device", "")).startswith("cuda")


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes this one."""
    if permutation is None:
        return None
    if permutation.dtype not in (dtypes.int64, dtypes.int32):
        raise DtypeError(f"a permutation is of type int64 or int32, not {permutation.dtype.name}")
    if permutation.ndim > 1:
        raise ShapeError(f"a permutation has one dimension, not {permutation.ndim}")
    order = permutation._data
    return wrap(by_type[order.__class__].xp.argsort(order))


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Drop the padding of (T, B, *), or (B, T, *) with ``batch_first``.

    ``lengths``: a list or int64 Tensor of B lengths, each at least 1. They must fall, unless
    ``enforce_sorted=False``, which sorts them.
    PyTorch: ``torch.nn.utils.rnn.pack_padded_sequence``.

    >>> import anadrome as ad
    >>> from anadrome.nn.utils.rnn import pack_padded_sequence
    >>> x = ad.tensor([[1, 2, 0], [3, 0, 0], [4, 5, 6]])
    >>> pack_padded_sequence(x, [2, 1, 3], batch_first=True, enforce_sorted=False).data
    tensor([4, 1, 3, 5, 2, 6])
    """
    sizes = _lengths(lengths)
    order = None
    if not enforce_sorted:
        places = sorted(range(len(sizes)), key=lambda i: -sizes[i])
        sizes = [sizes[i] for i in places]
        order = creation.tensor(places, dtype=dtypes.int64, device=input.device)
        input = input.index_select(0 if batch_first else 1, order)
    if batch_first:
        input = input.transpose(0, 1)
    steps, count = input.shape[:2]
    if not sizes or len(sizes) != count:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(sizes)} "
            f"(batch_size={count})"
        )
    if any(a < b for a, b in pairwise(sizes)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You "
            "can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
            "sidestep this requirement."
        )
    if sizes[-1] <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if sizes[0] > steps:
        raise RuntimeError(
            f"Expected `lengths` to be at most the length of the input, {steps}, but got {sizes[0]}"
        )
    running = _running(sizes)
    if running[-1] == count:  # all are of one length
        data = input[: sizes[0]].reshape((-1, *input.shape[2:]))
    else:
        data = cat([input[t, :n] for t, n in enumerate(running)])
    return PackedSequence(data, creation.tensor(running, dtype=dtypes.int64), order, None)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """(T, B, *), or (B, T, *) with ``batch_first``, and the int64 lengths (B,); undoes packing.

    ``total_length``: pad to that many steps. PyTorch: ``torch.nn.utils.rnn.pad_packed_sequence``.
    """
    running = sequence.batch_sizes.tolist()
    steps = len(running)
    if total_length is not None:
        if total_length < steps:
            raise ValueError(
                "Expected total_length to be at least the length of the longest sequence in input, "
                f"but got total_length={total_length} and max sequence length being {steps}"
            )
        steps = total_length
    count = running[0]
    data = sequence.data
    if running[-1] == count and steps == len(running):
        out = data.reshape((steps, count, *data.shape[1:]))
    else:
        # The row of each place in what is to be made; those behind the data are padding.
        end = len(data)
        rows, start = [], 0
        for n in running + [0] * (steps - len(running)):
            rows += [*range(start, start + n), *[end] * (count - n)]
            start += n
        padding = data.new_full((1, *data.shape[1:]), padding_value)
        index = creation.tensor(rows, dtype=dtypes.int64, device=data.device)
        out = cat([data, padding]).index_select(0, index)
        out = out.reshape((steps, count, *data.shape[1:]))
    sizes = [sum(n > i for n in running) for i in range(count)]
    if batch_first:
        out = out.transpose(0, 1)
    order = sequence.unsorted_indices
    if order is not None:
        out = out.index_select(0 if batch_first else 1, order)
        sizes = [sizes[i] for i in order.tolist()]
    return out, creation.tensor(sizes, dtype=dtypes.int64)


def pad_sequence(
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Tensors (L, *) of any lengths as one (T, B, *), or (B, T, *) with ``batch_first``.

    ``padding_side``: "right" or "left". PyTorch: ``torch.nn.utils.rnn.pad_sequence``.

    >>> import anadrome as ad
    >>> ad.nn.utils.rnn.pad_sequence([ad.ones(2), ad.ones(1)], batch_first=True)
    tensor([[1., 1.],
            [1., 0.]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    parts = list(sequences)
    if not parts:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}."
        )
    longest = max(len(p) for p in parts)
    rows = []
    for p in parts:
        missing = longest - len(p)
        if missing:
            rest = p.new_full((missing, *p.shape[1:]), padding_value)
            p = cat([p, rest] if padding_side == "right" else [rest, p])
        rows.append(p)
    return stack(rows, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Any, batch_first: bool = False
) -> list[Tensor]:
    """The sequences without their padding; undoes ``pad_sequence``."""
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    sizes = _lengths(lengths)
    if len(sizes) != len(padded_sequences):
        raise ValueError(
            f"unpad_sequence: {len(sizes)} lengths for {len(padded_sequences)} sequences"
        )
    return [x[:n] for x, n in zip(padded_sequences, sizes)]


def pack_sequence(sequences: Any, enforce_sorted: bool = True) -> PackedSequence:
    """Tensors (L, *) as a PackedSequence; lengths must fall unless ``enforce_sorted=False``.

    PyTorch: ``torch.nn.utils.rnn.pack_sequence``.
    """
    parts = list(sequences)
    return pack_padded_sequence(
        pad_sequence(parts), [len(p) for p in parts], enforce_sorted=enforce_sorted
    )


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences that were packed, in their order."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


def _lengths(lengths: Any) -> list[int]:
    values = lengths.tolist() if isinstance(lengths, Tensor) else lengths
    return [int(n) for n in values]


def _running(sizes: list[int]) -> list[int]:
    """How many sequences each step has, from lengths that fall."""
    out = []
    n = len(sizes)
    for t in range(sizes[0]):
        while sizes[n - 1] <= t:
            n -= 1
        out.append(n)
    return out


enclose_functions(globals())
