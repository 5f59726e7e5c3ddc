"""anadrome: automatic differentiation in pure Python, with PyTorch's semantics, on any array library.

Read it in this order; each file is one idea:

1. ``dtypes``, ``device``: element types and places, in PyTorch's words
2. ``backend``: the adapter to one array library
3. ``sites``, ``modes``: the user's line; what is switched on around it
4. ``graph``: nodes, edges, saved values, writes
5. ``tensor``: an array plus its place in the graph
6. ``op``, ``calls``: declare a primitive once; how a call of it is made fast
7. ``views``, ``inplace``: shared memory, and writing into it
8. ``engine``: plays the nodes in reverse
9. ``ops/``: the table, a file a family; ``functional``: what is made of ops
10. ``random``, ``creation``, ``printing``, ``serialization``
11. ``autograd/``, ``nn/``, ``optim/``, ``utils/``: PyTorch's packages
12. ``capture``: a step as a flat program
13. ``hookspecs``, ``manager``: what plugins can do, and how they are found
"""

from __future__ import annotations

from . import dtypes as dtypes
from .backend import Backend, LazyBackend
from .command import Command
from .device import device, get_default_device, set_default_device
from .dtypes import (
    bfloat16,
    complex64,
    complex128,
    double,
    dtype,
    finfo,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    long,
    promote_types,
    set_default_dtype,
    short,
    uint8,
)
from .errors import AnadromeError
from .hookspecs import API_VERSION, hookimpl
from .modes import (
    Mode,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .op import FLOAT, FULL, HALF, KEEP, MISSING, NONE, SAME, WIDEST, ZERO, op
from .printing import set_printoptions
from .random import (
    Generator,
    bernoulli,
    get_rng_state,
    initial_seed,
    manual_seed,
    multinomial,
    normal,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    seed,
    set_rng_state,
)
from .tensor import Size, Tensor

__version__ = "0.1.0"

bool = dtypes.bool_
int = dtypes.int32
float = dtypes.float32

from .namespace import *  # noqa: E402, F403 - the table as functions, with PyTorch's names
from . import autograd, nn, optim, utils  # noqa: E402
from .autograd import grad as _grad  # noqa: E402, F401
from .capture import capture  # noqa: E402
from .serialization import load, save  # noqa: E402
from . import manager as _manager  # noqa: E402

_manager.load_all()
