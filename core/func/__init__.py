"""func: transforms of functions (PyTorch: ``torch.func``).

Reading order: ``tree`` (tensors inside tuples, lists and dicts), ``transforms`` (``grad`` and its
kin), ``batched`` (arrays that hide a batch dimension), ``batching`` (how ops run over them),
``batchviews`` and ``batchrules`` (views; what else has a rule), ``indexed`` (indices that differ by
example), ``mapping`` (``vmap``), ``jacobians`` (``jacrev``, ``hessian``), ``stateless`` (modules as
functions of their parameters).
"""

from __future__ import annotations

from .jacobians import hessian, jacfwd, jacrev
from .mapping import vmap
from .stateless import (
    functional_call,
    replace_all_batch_norm_modules_,
    stack_module_state,
)
from .transforms import (
    grad,
    grad_and_value,
    jvp,
    linearize,
    value_and_grad,
    vjp,
)

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "value_and_grad",
    "vjp",
    "vmap",
]
