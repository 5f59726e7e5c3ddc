"""conjugate: PyTorch's convention for the gradients of complex values, in one place.

A rule is mathematics: it multiplies what arrives by the derivative. PyTorch's gradient of a complex
value is the conjugate one, so that ``z -= lr * z.grad`` goes downhill. For a holomorphic op
(complex differentiable) the two differ by a conjugation on the way in and one on the way out, which
is done here for all ops. Those that are not (``abs``, ``real``, ``conj``, …) say
``holomorphic=False`` when declared; their rules give PyTorch's gradient themselves.
"""

from __future__ import annotations

from typing import Any

from .graph import Node, PackedRows
from .op import table

_OURS = __name__.rpartition(".")[0] + ".ops."


def apply(node: Node, grad: Any, create_graph: bool) -> Any:
    """``node.apply`` for a node with a complex output."""
    if not node.holomorphic or _has_real_coefficients(node):
        return node.apply(grad, create_graph)
    grad = [_conj(g) for g in grad] if node.multi else _conj(grad)
    return [_conj(g) for g in node.apply(grad, create_graph)]


def _conj(gradient: Any) -> Any:
    if gradient is None:
        return None
    if hasattr(gradient, "dense"):  # the engine's Patch
        gradient = gradient.dense()
    return table["conj"].call(gradient)


def _has_real_coefficients(node: Any) -> bool:
    """Conjugation passes through sums, shapes and indices: they need not pay for it.

    Of an op of somebody else's, what it multiplies by cannot be told.
    """
    op = node.op
    if op.saves_values or not op.forward.__module__.startswith(_OURS):
        return False
    rows = node.saved
    if rows.__class__ is PackedRows:
        rows = rows.rows
    elif op.one_row:
        rows = (rows,)
    return not any(value.__class__ is complex for row in rows for value in row)
