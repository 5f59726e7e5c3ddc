"""blocks: a mask by a function, with the blocks of it that are empty, partial and full."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, NoReturn

from ...creation import zeros
from ...dtypes import bool_, int32
from ...ranges import arange
from ...tensor import Tensor
from ..functional import pad
from .mods import Mod, create_mask, mapped, noop_mask, takes_a_score

_DEFAULT_SPARSE_BLOCK_SIZE = 128

#: The Tensors of a mask, in the order in which PyTorch lists them.
_TENSORS = (
    "kv_num_blocks", "kv_indices", "full_kv_num_blocks", "full_kv_indices", "q_num_blocks",
    "q_indices", "full_q_num_blocks", "full_q_indices",
)  # fmt: skip


def _listed(dense: Tensor) -> tuple[Tensor, Tensor]:
    """How many blocks each row has, and which: those first, then the others."""
    order = dense.to(int32).argsort(dim=-1, descending=True, stable=True)
    return dense.sum(dim=-1).to(int32), order.to(int32)


def _named(tensors: Iterable[Tensor | None]) -> dict[str, Any]:
    """A mask's first Tensors, by name."""
    return dict(zip(_TENSORS, tensors))


def _dense(counts: Tensor, indices: Tensor) -> Tensor:
    """The way back: bools of shape (*, rows, columns)."""
    columns = indices.shape[-1]
    listed = arange(columns, device=indices.device) < counts.unsqueeze(-1)
    places = indices.long().masked_fill(~listed, columns)  # what is not listed goes to a last one
    wide = zeros(*indices.shape[:-1], columns + 1, dtype=bool_, device=indices.device)
    return wide.scatter(-1, places, value=True)[..., :columns]


def _sliced_mask_mod_error(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> NoReturn:
    raise RuntimeError(
        "Cannot use mask_mod from a sliced BlockMask: its function counts from the whole mask; set "
        "the part's own function (mask.mask_mod = ...)"
    )


class BlockMask:
    """Which queries attend to which keys: ``mask_mod``, and its empty and full blocks.

    ``kv_num_blocks`` (B, H, rows) and ``kv_indices`` (B, H, rows, columns) list, for each row of
    blocks, the partial ones, in which ``mask_mod`` is asked; ``full_kv_num_blocks`` and
    ``full_kv_indices`` those in which everything is allowed. In all others nothing is. The names
    with ``q`` list the same by columns. PyTorch:
    ``torch.nn.attention.flex_attention.BlockMask``; without the order of writes of its
    deterministic kernel (``dq_write_order``).

    >>> from anadrome.nn.attention.flex_attention import create_block_mask
    >>> mask = create_block_mask(lambda b, h, q, k: q >= k, None, None, 4, 4, BLOCK_SIZE=2)
    >>> mask.shape, mask.sparsity()
    ((1, 1, 4, 4), 25.0)
    >>> mask.to_dense().tolist()
    [[[[True, False], [True, True]]]]
    """

    seq_lengths: tuple[int, int]
    kv_num_blocks: Tensor
    kv_indices: Tensor
    full_kv_num_blocks: Tensor | None
    full_kv_indices: Tensor | None
    q_num_blocks: Tensor | None
    q_indices: Tensor | None
    full_q_num_blocks: Tensor | None
    full_q_indices: Tensor | None
    BLOCK_SIZE: tuple[int, int]
    mask_mod: Mod

    def __init__(
        self,
        seq_lengths: tuple[int, int],
        kv_num_blocks: Tensor,
        kv_indices: Tensor,
        full_kv_num_blocks: Tensor | None,
        full_kv_indices: Tensor | None,
        q_num_blocks: Tensor | None,
        q_indices: Tensor | None,
        full_q_num_blocks: Tensor | None,
        full_q_indices: Tensor | None,
        BLOCK_SIZE: tuple[int, int] = (_DEFAULT_SPARSE_BLOCK_SIZE, _DEFAULT_SPARSE_BLOCK_SIZE),
        mask_mod: Mod = noop_mask,
    ) -> None:
        if kv_indices.ndim < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        for counts, indices, name in (
            (full_kv_num_blocks, full_kv_indices, "full_kv"),
            (full_q_num_blocks, full_q_indices, "full_q"),
        ):
            if (counts is None) != (indices is None):
                raise AssertionError(
                    f"{name}_num_blocks and {name}_indices must be both provided or omitted"
                )
        given = (kv_num_blocks, kv_indices, full_kv_num_blocks, full_kv_indices, q_num_blocks,
                 q_indices, full_q_num_blocks, full_q_indices)  # fmt: skip
        for name, tensor in zip(_TENSORS, given):
            setattr(self, name, tensor)
        self.seq_lengths, self.BLOCK_SIZE, self.mask_mod = seq_lengths, BLOCK_SIZE, mask_mod

    @classmethod
    def from_kv_blocks(
        cls,
        kv_num_blocks: Tensor,
        kv_indices: Tensor,
        full_kv_num_blocks: Tensor | None = None,
        full_kv_indices: Tensor | None = None,
        BLOCK_SIZE: int | tuple[int, int] = _DEFAULT_SPARSE_BLOCK_SIZE,
        mask_mod: Mod | None = None,
        seq_lengths: tuple[int, int] | None = None,
        compute_q_blocks: bool = True,
    ) -> BlockMask:
        """A mask of blocks listed by rows; those by columns are made from them."""
        if kv_indices.ndim < 2:
            raise RuntimeError("BlockMask must have at least 2 dimensions")
        size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
        columns: list[Tensor | None] = [None] * 4
        if compute_q_blocks:
            columns[:2] = _listed(_dense(kv_num_blocks, kv_indices).transpose(-2, -1))
            if full_kv_num_blocks is not None and full_kv_indices is not None:
                full = _dense(full_kv_num_blocks, full_kv_indices)
                columns[2:] = _listed(full.transpose(-2, -1))
        if seq_lengths is None:
            high, wide = kv_indices.shape[-2:]
            seq_lengths = (high * size[0], wide * size[1])
        rows = [kv_num_blocks, kv_indices, full_kv_num_blocks, full_kv_indices]
        return cls(
            seq_lengths, **_named([*rows, *columns]), BLOCK_SIZE=size,
            mask_mod=noop_mask if mask_mod is None else mask_mod,
        )  # fmt: skip

    @property
    def shape(self) -> tuple[int, ...]:
        """(B, H, queries, keys)."""
        return (*self.kv_indices.shape[:-2], *self.seq_lengths)

    def numel(self) -> int:
        """How many pairs of a query and a key there are."""
        count = 1
        for n in self.shape:
            count *= n
        return count

    def sparsity(self) -> float:
        """How much of it is in empty blocks, in percent."""
        blocks = int(self.kv_num_blocks.sum())
        if self.full_kv_num_blocks is not None:
            blocks += int(self.full_kv_num_blocks.sum())
        return 100 * (1 - blocks * self.BLOCK_SIZE[0] * self.BLOCK_SIZE[1] / self.numel())

    def to_dense(self) -> Tensor:
        """Which blocks are not empty: bools of shape (B, H, rows, columns)."""
        partial = _dense(self.kv_num_blocks, self.kv_indices)
        if self.full_kv_num_blocks is None or self.full_kv_indices is None:
            return partial
        return partial | _dense(self.full_kv_num_blocks, self.full_kv_indices)

    def _allowed(self, shape: tuple[int, int, int, int], device: Any) -> Tensor:
        """Which of these queries attend to which of these keys."""
        if self.mask_mod is _sliced_mask_mod_error:
            _sliced_mask_mod_error(*[self.kv_num_blocks] * 4)
        if shape[2:] != tuple(self.seq_lengths):
            raise ValueError(
                f"block_mask was created for block_mask.shape={self.shape} but got "
                f"q_len={shape[2]} and kv_len={shape[3]}; create one for these lengths, or crop it "
                "with block_mask._adjust(q_len, kv_len)"
            )
        if self.kv_num_blocks.device != device:
            raise RuntimeError(
                "Expect q/k/v and block_mask to be on the same device but got "
                f"{device} and {self.kv_num_blocks.device}."
            )
        allowed = mapped(self.mask_mod, shape, device=device)
        allowed = allowed & self._spread(_dense(self.kv_num_blocks, self.kv_indices))
        if self.full_kv_num_blocks is None or self.full_kv_indices is None:
            return allowed
        return allowed | self._spread(_dense(self.full_kv_num_blocks, self.full_kv_indices))

    def _spread(self, dense: Tensor) -> Tensor:
        """What is so of the blocks, of each pair in them."""
        rows, columns = self.BLOCK_SIZE
        wide = dense.repeat_interleave(rows, dim=-2).repeat_interleave(columns, dim=-1)
        return wide[..., : self.seq_lengths[0], : self.seq_lengths[1]]

    def __getitem__(self, index: Any) -> BlockMask:
        """The blocks of some batches, heads and rows; a number keeps its dimension, as in PyTorch.

        Its ``mask_mod`` has to be set before it is used.
        """
        index = index if isinstance(index, tuple) else (index,)
        padded = (*index, slice(None), slice(None), slice(None))[:3]
        places = tuple(
            [
                slice(i % n, i % n + 1) if isinstance(i, int) and -n <= i < n else i
                for i, n in zip(padded, self.kv_num_blocks.shape[:3])
            ]
        )
        rows = [getattr(self, name) for name in _TENSORS[:4]]
        return self.from_kv_blocks(
            **_named([None if t is None else t[places] for t in rows]), BLOCK_SIZE=self.BLOCK_SIZE,
            mask_mod=_sliced_mask_mod_error, seq_lengths=self.seq_lengths,
            compute_q_blocks=self.q_indices is not None,
        )  # fmt: skip

    def _adjust(self, new_q_len: int, new_kv_len: int) -> BlockMask:
        """The upper left corner, of other lengths."""
        rows = -(-new_q_len // self.BLOCK_SIZE[0])
        columns = -(-new_kv_len // self.BLOCK_SIZE[1])
        parts: list[Tensor | None] = []
        for counts, indices in ((self.kv_num_blocks, self.kv_indices),
                                (self.full_kv_num_blocks, self.full_kv_indices)):  # fmt: skip
            if counts is None or indices is None:
                parts += [None, None]
            else:
                parts += _listed(_dense(counts, indices)[:, :, :rows, :columns])
        return self.from_kv_blocks(
            **_named(parts), BLOCK_SIZE=self.BLOCK_SIZE, mask_mod=self.mask_mod,
            seq_lengths=(new_q_len, new_kv_len), compute_q_blocks=self.q_indices is not None,
        )  # fmt: skip

    def to(self, device: Any) -> BlockMask:
        """The mask on another device."""
        moved = [getattr(self, name) for name in _TENSORS]
        return BlockMask(
            self.seq_lengths, **_named([None if t is None else t.to(device) for t in moved]),
            BLOCK_SIZE=self.BLOCK_SIZE, mask_mod=self.mask_mod,
        )  # fmt: skip

    def to_string(self, grid_size: int | tuple[int, int] = (20, 20), limit: int = 4) -> str:
        """A picture of the blocks of each batch and head: empty, some, or all of them there."""
        dense = self.to_dense()
        rows, columns = dense.shape[-2:]
        if grid_size == -1:
            grid_size = (rows, columns)
        high, wide = (grid_size, grid_size) if isinstance(grid_size, int) else grid_size
        down, across = max(1, -(-rows // high)), max(1, -(-columns // wide))
        out = []
        for count, place in enumerate(itertools.product(*map(range, dense.shape[:-2]))):
            if count == limit:
                out += [
                    "...", "To print out more, set BlockMask.to_string(limit=N)",
                    "You can also index (BlockMask[batch, head]) to choose a specific batch or "
                    "head",
                ]  # fmt: skip
                break
            picture = f"{place}\n"
            for r in range(0, rows, down):
                for c in range(0, columns, across):
                    share = float(dense[place][r : r + down, c : c + across].float().mean())
                    picture += 2 * ("█" if share == 1 else " " if share == 0 else "░")
                picture += "\n"
            out.append(picture)
        return "\n".join(out)

    def __str__(self) -> str:
        return (
            f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%, \n"
            f"{self.to_string().strip()}\n)"
        )

    def __repr__(self) -> str:
        shapes = "".join(
            f"    {name}={None if tensor is None else tensor.shape},\n"
            for name, tensor in ((name, getattr(self, name)) for name in _TENSORS)
        )
        return (
            f"BlockMask(\n{shapes}    BLOCK_SIZE={self.BLOCK_SIZE},\n    shape={self.shape},\n"
            f"    sparsity={self.sparsity():.2f}%,\n"
            f"    mask_mod={getattr(self.mask_mod, '__name__', self.mask_mod)}\n)"
        )


def create_block_mask(
    mask_mod: Mod,
    B: int | None,
    H: int | None,
    Q_LEN: int,
    KV_LEN: int,
    device: Any = None,
    BLOCK_SIZE: int | tuple[int, int] = _DEFAULT_SPARSE_BLOCK_SIZE,
    _compile: bool = False,
    separate_full_blocks: bool = True,
) -> BlockMask:
    """The mask of a function ``mask_mod(batch, head, q_idx, kv_idx)``, with its blocks found.

    ``B``, ``H``: None for one that is the same for all batches, or heads. ``BLOCK_SIZE``: of
    queries and of keys. ``separate_full_blocks``: whether full blocks are listed apart; False
    lists them among the partial ones. PyTorch:
    ``torch.nn.attention.flex_attention.create_block_mask``.

    >>> from anadrome.nn.attention.flex_attention import create_block_mask
    >>> window = create_block_mask(lambda b, h, q, k: (q - k).abs() < 2, None, None, 256, 256)
    >>> window.full_kv_num_blocks.tolist(), window.kv_num_blocks.tolist()
    ([[[0, 0]]], [[[2, 2]]])
    """
    if takes_a_score(mask_mod):
        raise AssertionError(f"create-block_mask requires a mask_mod function! Got {mask_mod}")
    size = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
    mask = create_mask(mask_mod, B, H, Q_LEN, KV_LEN, device)
    blocks = pad(mask.to(int32), (0, -KV_LEN % size[1], 0, -Q_LEN % size[0]))
    counts = blocks.unflatten(-1, (-1, size[1])).unflatten(-3, (-1, size[0])).sum(dim=(-3, -1))
    every = size[0] * size[1]
    if separate_full_blocks:
        partial, full = _listed((counts > 0) & (counts < every)), _listed(counts == every)
        listed: tuple[Tensor, ...] = (*partial, *full)
    else:
        listed = _listed(counts > 0)
    return BlockMask.from_kv_blocks(
        **_named(listed), BLOCK_SIZE=size, mask_mod=mask_mod, seq_lengths=(Q_LEN, KV_LEN)
    )
