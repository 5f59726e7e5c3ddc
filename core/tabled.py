"""tabled: classes derived from Tensor whose functions are found by their names, in a table.

Such a Tensor holds plain values, with their graph, and something beside them that says what they
are: lengths, or a mask. Hooks, devices and gradients need to know nothing about it. What a public
function does is looked up by its name; one that is in no table is refused by that name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .overridable import name_of
from .overriding import instance, off
from .tensor import Tensor

_SAME = (
    "requires_grad requires_grad_ grad_fn is_leaf dtype device is_cuda is_cpu is_meta "
    "is_mps is_xpu is_sparse is_quantized is_floating_point is_complex is_signed "
    "element_size itemsize numel nelement register_hook "
    "register_post_accumulate_grad_hook retain_grad retains_grad output_nr data_ptr "
    "untyped_storage storage get_device is_inference is_pinned __hash__ _version "
    "share_memory_ is_shared name __reduce_ex__ __deepcopy__ is_conj is_neg"
)
#: Properties and methods that say or do the same of the plain values.
SAME = frozenset(_SAME.split())

_VALUES = """
    abs absolute acos acosh add addcdiv addcmul alpha_dropout angle arccos arcsin arctan arctan2
    asin asinh atan atan2 atanh bernoulli bfloat16 bitwise_and bitwise_not bitwise_or bitwise_xor
    bool byte ceil celu char clamp clamp_max clamp_min clip clone conj contiguous copysign cos cosh
    cpu cuda deg2rad digamma div divide double dropout elu empty_like eq erf erfc erfinv exp exp2
    expit expm1 feature_alpha_dropout fill float float_power floor floor_divide fmax fmin fmod frac
    full_like ge gelu greater greater_equal gt half hardshrink hardsigmoid hardswish hardtanh
    heaviside hypot imag int isfinite isinf isnan le leaky_relu lerp less less_equal lgamma log
    log10 log1p log2 logaddexp logaddexp2 logical_and logical_not logical_or logical_xor logit
    logsigmoid long lt masked_fill maximum minimum mish mul multiply nan_to_num ne neg negative
    not_equal ones_like positive pow rad2deg rand_like randn_like real reciprocal relu relu6
    remainder round rrelu rsqrt rsub selu sgn short sigmoid sign signbit silu sin sinc sinh softplus
    softshrink softsign sqrt square sub subtract tan tanh tanhshrink threshold to true_divide trunc
    type type_as where xlogy zero zeros_like
"""
_OPERATORS = """
    add sub mul truediv floordiv mod pow and or xor eq ne lt le gt ge radd rsub rmul rtruediv
    rfloordiv rmod rpow rand ror rxor iadd isub imul itruediv iand ior ixor neg pos abs invert
"""
#: Functions and methods value by value; those in place have an underscore more.
BY_VALUE = frozenset(
    [
        *_VALUES.split(),
        *[f"{name}_" for name in _VALUES.split()],
        *[f"__{name}__" for name in _OPERATORS.split()],
        "copy_",
        "normal_",
        "uniform_",
    ]
)


class InFile(NamedTuple):
    """A call that a file of PyTorch's makes; without arguments, a name in it."""

    name: str
    args: tuple[Any, ...] | None = None


class Tabled(Tensor):
    """A Tensor of plain values and what is known about them."""

    #: What functions do, by name.
    table: dict[str, Callable[..., Any]] = {}
    #: What to write instead of a function that is not there.
    advice = "write it of plain Tensors"

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Look the function up by its name."""
        name = called(func)
        keywords = kwargs or {}
        first = next(among((*args, *keywords.values())))
        with off():
            if name in SAME:
                return func(*args, **keywords)
            found = first.table.get(name) or GRADIENTS.get(name)
            if found is not None:
                return found(*args, **keywords)
            if name in BY_VALUE:
                return first._by_value(func, name, args, keywords)
            return first._otherwise(func, name, args, keywords)

    def _by_value(self, func: Any, name: str, args: tuple[Any, ...], keywords: Any) -> Any:
        """The function of the plain values; written in place, the Tensor itself is returned."""
        of = [v for v in (*args, *keywords.values()) if isinstance(v, Tabled)]
        if not of:
            return self._otherwise(func, name, args, keywords)
        first = max(of, key=lambda v: v.plain().ndim)

        def beside(value: Any) -> Any:
            return first.against(value) if isinstance(value, Tensor) else value

        writes = (name.endswith("_") and not name.endswith("__")) or name.startswith("__i")
        if writes and name != "__invert__" and isinstance(args[0], Tabled):
            func(args[0], *map(beside, args[1:]), **{k: beside(v) for k, v in keywords.items()})
            return args[0]
        if name in ("to", "type_as"):  # another tensor says where to, and is no operand
            return args[0].like(func(args[0].plain(), *unwrapped(args[1:]), **keywords))
        found = func(*map(beside, args), **{k: beside(v) for k, v in keywords.items()})
        return first.like(found)

    def _otherwise(self, func: Any, name: str, args: tuple[Any, ...], keywords: Any) -> Any:
        raise NotImplementedError(f"{name}() of a {type(self).kind} is not there; {self.advice}")

    #: What it is called in errors.
    kind = "Tensor of this kind"

    @classmethod
    def made_of(cls, plain: Tensor) -> Any:
        """The Tensor itself as one of this class, so that it keeps the node that made it."""
        instance(cls)
        plain.__class__ = cls
        return plain

    def plain(self) -> Tensor:
        """The plain values, with their graph."""
        with off():
            return self.as_subclass(Tensor)  # type: ignore[attr-defined,no-any-return]

    def in_file(self) -> InFile:
        """What makes it in a file that ``save`` writes and PyTorch's ``torch.load`` reads."""
        raise NotImplementedError

    @classmethod
    def of_file(cls, args: Any, state: Any) -> Any:
        """What such a file tells: the arguments of the call that it names, and attributes."""
        raise NotImplementedError

    def like(self, plain: Tensor) -> Any:
        """The same of other values, which nobody else holds."""
        raise NotImplementedError

    def against(self, other: Any) -> Any:
        """Another operand, as it has to be beside the plain values."""
        raise NotImplementedError


def among(values: Any) -> Iterator[Any]:
    """The Tensors of such classes among arguments, and in lists."""
    for value in values:
        if isinstance(value, Tabled):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from among(value)


_names: dict[Any, str] = {}


def called(func: Any) -> str:
    """The last part of a public function's name; of a property, the property's."""
    try:
        return _names[func]
    except KeyError:
        full = name_of(func) or str(getattr(func, "__name__", func))
        parts = full.split(".")
        use = parts.pop() if parts[-1] in ("__get__", "__set__", "__delete__") else "__get__"
        found = parts[-1] if use == "__get__" else f"{parts[-1]}.{use}"
        found = {"requires_grad.__set__": "requires_grad"}.get(found, found)
        return _names.setdefault(func, found)


def unwrapped(value: Any) -> Any:
    """The plain values; anything else as it is; lists of them likewise."""
    if isinstance(value, Tabled):
        return value.plain()
    if isinstance(value, (list, tuple)):
        return [unwrapped(v) for v in value]
    return value


def _gradient(self: Tabled) -> Any:
    found = Tensor.grad.fget(self)  # type: ignore[attr-defined]
    return found if found is None or isinstance(found, Tabled) else self.like(found)


def _set_gradient(self: Tabled, value: Any) -> None:
    Tensor.grad.fset(self, unwrapped(value))  # type: ignore[attr-defined]


def _backward(self: Tabled, gradient: Any = None, *rest: Any, **keywords: Any) -> None:
    Tensor.backward(self, unwrapped(gradient), *rest, **keywords)


def _grad(outputs: Any, inputs: Any, grad_outputs: Any = None, *rest: Any, **keywords: Any) -> Any:
    """``autograd.grad``; a property of that name is called with one argument."""
    from . import autograd

    found = autograd.grad(outputs, inputs, unwrapped(grad_outputs), *rest, **keywords)
    given = [inputs] if isinstance(inputs, Tensor) else inputs
    return tuple(
        x.like(g) if isinstance(x, Tabled) and g is not None else g for x, g in zip(given, found)
    )


#: Gradients are of the class, too.
GRADIENTS: dict[str, Callable[..., Any]] = {
    "grad": lambda *args, **keywords: (
        _gradient(args[0]) if len(args) == 1 and not keywords else _grad(*args, **keywords)
    ),
    "grad.__set__": _set_gradient,
    "backward": _backward,
    "detach": lambda self: self.like(self.plain().detach()),
    "data": lambda self: self.like(self.plain().detach()),
    "__format__": lambda self, spec: format(repr(self), spec),
}
