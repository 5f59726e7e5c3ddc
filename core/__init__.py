"""anadrome: automatic differentiation in pure Python, as in PyTorch, on any array library.

Read it in this order; each file is one idea:

1. ``dtypes``, ``device``, ``size``, ``layouts``, ``errors``: element types, places, shapes and
   errors, in PyTorch's words
2. ``adapter``, ``backend``, ``arriving``: what is asked of an array library, and which there are;
   ``formats``: the order of dimensions in memory;
   values on their way from a device; ``placement``: work done on the device of its arrays;
   ``cuda/``: PyTorch's names for it
3. ``sites``, ``state``, ``modes``: the user's line; what is active around it, what switches it, and
   by which words (``switches``)
4. ``graph``: nodes, edges, saved values, writes; ``forking``: locks that a child finds free
5. ``tensor``, ``values``, ``copying``, ``operators``: an array plus its place in the graph; its
   values on their way out; its copies; its operators
6. ``op``, ``rules``, ``naming``: declare a primitive once; how its rules are played; PyTorch's
   names of its nodes
7. ``calls``, ``general``, ``binding``, ``align``, ``recording``, ``specialise``: how a call is made
   fast
8. ``views``, ``inplace``, ``subscripts``: shared memory, and writing into it; ``out``, ``forms``:
   ``out=`` and the other forms of a function; ``composite``: functions of several ops that a mode
   may take as one; ``border``, ``refusals``: failures inside, said in our words; ``rerun``: code
   run again, without a trace; ``overriding``, ``looking``, ``overridable``: classes that say what
   functions do with them, how these are asked, and about which functions; ``tabled``: classes that
   say it in a table
9. ``engine``: plays the nodes in reverse; ``patch``: what a slice sends; ``hooking``: calls their
   hooks; ``unfinished``: what is left of a backward that raised; ``conjugate``: the gradients of
   complex values; ``halves``: how rules over half precision round; ``tangents``:
   derivatives in a direction
10. ``ops/`` with ``samples``: the table, a file a family; ``numerics/``: functions of mathematics
    that array libraries lack
11. ``functional``, ``pointwise``, ``returned``, ``foreach``, ``namespace``: what is made of ops,
    and the public functions
12. ``making``, ``creation``, ``ranges``, ``legacy``, ``older``, ``exchange``: Tensors of numbers;
    ``random``, ``sampling``, ``counts``, ``filling``: of chance; ``facts``, ``storage``,
    ``printing``: what
    they tell of themselves;
    ``serialization``, ``torch_files/``, ``tensor_file``, ``structures``, ``atomic``: how they are
    kept; ``randomness``: the random numbers of a program, to be kept
13. ``autograd/``, ``func/``, ``nn/``, ``optim/``, ``utils/``: PyTorch's packages; ``undivided``: a
    Ctrl-C waits until weights are whole
14. ``capturing/``: a step as a flat program
15. ``hookspecs``, ``listening``, ``entrypoints``, ``manager``: what plugins can do, when they are
    called, and how they are found;
    ``later``, ``linalg``, ``fft``, ``signal/``, ``special``, ``sparse``, ``settings``,
    ``accelerator``, ``version``, ``versions``: what is imported when first asked for;
    ``places/``: where else PyTorch's programs import from
16. ``command``, ``report``, ``testing/``: the command line; the conformance kit
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
from .errors import AnadromeError, OutOfMemoryError
from .hookspecs import API_VERSION, hookimpl
from .listening import Listening
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
from .printing import get_printoptions, printoptions, set_printoptions
from . import random
from .random import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from .sampling import (
    bernoulli,
    multinomial,
    normal,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
)
from .tensor import Size, Tensor

__version__ = "0.1.0"

bool = dtypes.bool_
int = dtypes.int32
float = dtypes.float32

from .namespace import *
from . import autograd, cuda, later, nn, optim, utils
from .autograd import grad as _grad
from . import manager as _manager

_manager.load_all()
_manager.publish(later.homes())

from . import overridable as _overridable

_overridable.separate()
