"""overridable: which functions a ``__torch_function__`` is asked about, and under which names."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from . import later
from .copying import Copying
from .looking import copied
from .manager import exports
from .tensor import Tensor
from .values import Values

#: The modules whose functions are asked about, by PyTorch's names.
MODULES = {
    "torch.nn.functional": "anadrome.nn.functional",  # first, as in PyTorch, where it shares some
    "torch": "anadrome",
    "torch.nn.init": "anadrome.nn.init",
    "torch.linalg": "anadrome.linalg",
    "torch.fft": "anadrome.fft",
    "torch.special": "anadrome.special",
    "torch.autograd": "anadrome.autograd",
}

_MAKING = (
    "arange as_tensor asarray bartlett_window blackman_window empty empty_permuted empty_strided "
    "eye frombuffer from_file from_numpy full hamming_window hann_window kaiser_window linspace "
    "logspace ones rand randint randn randperm range scalar_tensor sparse_coo_tensor "
    "sparse_csr_tensor tensor tril_indices triu_indices zeros fft.fftfreq fft.rfftfreq"
)
#: Functions of numbers, sizes, data or files, whose arguments are no Tensors.
MAKING = {f"torch.{name}" for name in _MAKING.split()}
#: Those of data, which no object is asked about.
READING = {
    f"torch.{name}" for name in ("as_tensor", "asarray", "from_numpy", "frombuffer", "tensor")
}

#: Functions of the modules that no class is asked about.
_NOT = {
    "torch": (
        "are_deterministic_algorithms_enabled broadcast_shapes can_cast capture "
        "compile from_dlpack get_default_device get_default_dtype get_deterministic_debug_mode "
        "get_float32_matmul_precision get_num_interop_threads get_num_threads get_printoptions "
        "get_rng_state initial_seed is_anomaly_check_nan_enabled is_anomaly_enabled "
        "is_deterministic_algorithms_warn_only_enabled is_grad_enabled is_inference_mode_enabled "
        "is_storage is_tensor load manual_seed op printoptions promote_types "
        "refusing save seed set_anomaly_enabled set_default_device "
        "set_default_dtype set_default_tensor_type set_deterministic_debug_mode "
        "set_float32_matmul_precision set_flush_denormal set_num_interop_threads set_num_threads "
        "set_printoptions set_rng_state to_dlpack typename use_deterministic_algorithms vmap"
    ),
    "torch.nn.functional": "refusing wrap sigmoid tanh",
    "torch.linalg": (
        "adjoint blamed floating indefinite_minor is_vector matrices one refusing returned square "
        "takes_out zero_pivot"
    ),
    "torch.fft": (
        "as_dtype axis_of check get_default_dtype number one refusing roll takes_out whole"
    ),
    "torch.special": "inplace_composite mvlgamma takes_out",
}
#: Of some modules only these.
_ONLY = {
    "torch.nn.init": "constant_ kaiming_uniform_ normal_ uniform_",
    "torch.autograd": "grad",
}

#: Methods that no class is asked about, beside those that begin with one underscore.
_NOT_METHODS = (
    "__copy__ __getattr__ __getattribute__ __init__ __init_subclass__ __iter__ __new__ "
    "__setattr__ as_subclass apply_ map_ map2_ new"
)

#: Operators that are reported as the method that they are another form of.
_REPORTED = {
    "__abs__": "abs", "__add__": "add", "__radd__": "add", "__iadd__": "add_",
    "__sub__": "sub", "__isub__": "sub_", "__mul__": "mul", "__rmul__": "mul", "__imul__": "mul_",
    "__truediv__": "div", "__itruediv__": "div_", "__ifloordiv__": "floor_divide_",
    "__mod__": "remainder", "__imod__": "remainder_", "__matmul__": "matmul", "__ne__": "ne",
    "__lt__": "lt", "__le__": "le", "__gt__": "gt", "__ge__": "ge", "__neg__": "neg",
    "__pos__": "positive", "__rand__": "bitwise_and", "__ror__": "bitwise_or",
    "__rxor__": "bitwise_xor", "ndimension": "dim", "nelement": "numel",
}  # fmt: skip

_OF_TWO = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift"
_COMPARING = "eq ne lt le gt ge"
#: Operators of two, where Python asks the other one next.
OPERATORS = {f"torch.Tensor.__{p}{name}__" for name in _OF_TWO.split() for p in ("", "r", "i")} | {
    f"torch.Tensor.__{name}__" for name in _COMPARING.split()
}


def everything() -> Iterator[tuple[str, Any, FunctionType]]:
    """Each public function once: its name, the object that is reported, and the Python function.

    What is imported later is imported now.
    """
    later.everything()
    for module in later.homes().values():
        if module.startswith(("anadrome.ops", "anadrome.special", "anadrome.older")):
            importlib.import_module(module.partition(":")[0])
    separate()
    seen: set[int] = set()
    for found in (*_methods(), *_functions()):
        if id(found[2]) not in seen:
            seen.add(id(found[2]))
            yield found


def _functions() -> Iterator[tuple[str, Any, FunctionType]]:
    for theirs, ours in MODULES.items():
        module = importlib.import_module(ours)
        names = _ONLY.get(theirs, " ".join(dir(module))).split()
        for name in sorted(set(names) - set(_NOT.get(theirs, "").split())):
            if not name.startswith("_") and name not in exports:
                value = getattr(module, name, None)
                if isinstance(value, FunctionType):
                    yield f"{theirs}.{name}", value, value


def _methods() -> Iterator[tuple[str, Any, FunctionType]]:
    unasked = _NOT_METHODS.split()
    for name, value in (
        *vars(Values).items(), *vars(Copying).items(), *vars(Tensor).items()
    ):  # fmt: skip
        if name in unasked or (name.startswith("_") and not name.startswith("__")):
            continue
        full = f"torch.Tensor.{name}"
        if isinstance(value, FunctionType):
            yield full, getattr(Tensor, _REPORTED.get(name, name)), value
        elif isinstance(value, property):
            for function, use in (
                (value.fget, "__get__"), (value.fset, "__set__"), (value.fdel, "__delete__"),
            ):  # fmt: skip
                if isinstance(function, FunctionType):
                    yield f"{full}.{use}", getattr(value, use), function


def separate() -> None:
    """Make each method of Tensor a function of its own, other than the module's of that name.

    ``Tensor.add`` and ``add`` do the same, but a program may give each its own meaning.
    """
    from . import namespace

    shared = {id(v) for v in vars(namespace).values() if isinstance(v, FunctionType)}
    for name, value in list(vars(Tensor).items()):
        function = value.fget if isinstance(value, property) else value
        if isinstance(function, FunctionType):
            op = getattr(function, "op", None)
            of_module = function.__globals__.get(function.__name__) is function
            of_op = op is not None and not function.__name__.endswith("_")
            of_op = of_op and function.__qualname__ != f"Tensor.{name}"  # it has been separated
            if id(function) in shared or of_module or of_op:
                code = function.__code__.replace()  # to be known by; see `overriding.before`
                function = copied(function, code)
                function.__qualname__, function.__module__ = f"Tensor.{name}", Tensor.__module__
                own = value.getter(function) if isinstance(value, property) else function
                setattr(Tensor, name, own)
            shared.add(id(function))


#: Each function's name, once somebody asked for one.
_names: dict[Any, str] = {}


def public_functions() -> Iterator[tuple[str, Any]]:
    """Each public function and its name; operators under the name of what they are reported as."""
    for name, public, _ in everything():
        if name.rpartition(".")[2] not in _REPORTED:
            yield name, public


def ignored() -> Iterator[Any]:
    """Public functions that no class is asked about."""
    made = (name.rpartition(".")[::2] for name in MAKING)
    unasked = ((module, name) for module, names in _NOT.items() for name in names.split())
    for theirs, name in (*made, *unasked):
        value = getattr(importlib.import_module(MODULES[theirs]), name, None)
        if callable(value):
            yield value


def name_of(function: Any) -> str | None:
    """PyTorch's name of a public function, such as ``torch.Tensor.add`` (``resolve_name``)."""
    if not _names:
        for name, public in public_functions():
            _names.setdefault(public, name)
    try:
        return _names.get(function)
    except TypeError:
        return None
