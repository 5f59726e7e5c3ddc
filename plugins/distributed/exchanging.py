"""exchanging: sends and receipts that are started together; a process may send to itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anadrome as ad
from anadrome import Tensor

from .collectives import Work, irecv, isend
from .groups import started


class P2POp:
    """A send or a receipt of ``batch_isend_irecv`` (``torch.distributed.P2POp``).

    ``op``: ``isend`` or ``irecv``. ``peer``: the rank at the other end.
    """

    def __init__(
        self,
        op: Callable[..., Any],
        tensor: Tensor,
        peer: int | None = None,
        group: Any = None,
        tag: int = 0,
        group_peer: int | None = None,
    ) -> None:
        if op not in (isend, irecv):
            raise ValueError(
                "Invalid ``op``. Expected ``op`` to be of type ``torch.distributed.isend`` or "
                "``torch.distributed.irecv``."
            )
        if (peer is None) == (group_peer is None):
            raise ValueError("P2POp takes peer or group_peer, and one of them")
        if not isinstance(tensor, Tensor):
            raise TypeError(f"P2POp: expected a Tensor, not a {type(tensor).__name__}")
        self.op, self.tensor, self.group, self.tag = op, tensor, group, tag
        self.peer = group_peer if peer is None else peer


def batch_isend_irecv(p2p_op_list: list[P2POp]) -> list[Work]:
    """Send and receive (``torch.distributed.batch_isend_irecv``), here from rank 0 to rank 0.

    ValueError unless there are as many receipts as sends, each of the size of its send: nobody else
    is there.

    >>> import anadrome as ad
    >>> d = ad.distributed
    >>> d.init_process_group(world_size=1, rank=0)
    >>> x, y = ad.ones(2), ad.zeros(2)
    >>> done = d.batch_isend_irecv([d.P2POp(d.isend, x, 0), d.P2POp(d.irecv, y, 0)])
    >>> y
    tensor([1., 1.])
    >>> d.destroy_process_group()
    """
    started()
    for each in p2p_op_list:
        if not isinstance(each, P2POp):
            raise TypeError(f"batch_isend_irecv takes a list of P2POp, not {type(each).__name__}")
    sends = [p for p in p2p_op_list if p.op is isend]
    receipts = [p for p in p2p_op_list if p.op is irecv]
    if any(p.peer != 0 for p in p2p_op_list) or len(sends) != len(receipts):
        raise ValueError(
            f"batch_isend_irecv: {len(sends)} sends and {len(receipts)} receipts, with ranks "
            f"{sorted({p.peer for p in p2p_op_list if p.peer is not None})}; there is one process, "
            "of rank 0, which receives what it sends"
        )
    for sent, received in zip(sends, receipts):
        if sent.tensor.shape != received.tensor.shape:
            raise ValueError(
                f"batch_isend_irecv: {tuple(sent.tensor.shape)} is sent, and "
                f"{tuple(received.tensor.shape)} waits for it"
            )
    values = [p.tensor.detach().clone() for p in sends]  # type: ignore[attr-defined]
    with ad.no_grad():
        for value, received in zip(values, receipts):
            received.tensor.copy_(value)  # type: ignore[attr-defined]
    return [Work() for _ in p2p_op_list]
