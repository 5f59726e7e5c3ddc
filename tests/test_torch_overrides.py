"""Objects that override functions, and modes that see them: the same programs with PyTorch.

They are of the kinds that PyTorch's notes on extending it show. Classes derived from Tensor are in
``test_torch_subclasses``.
"""

from __future__ import annotations

import functools
import subprocess
import sys

import pytest
from overriding_programs import data, same, tensor_class, told

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


# -- objects that are no Tensors ----------------------------------------------------------------
def scalar_class(L, handled):
    class ScalarTensor:
        def __init__(self, n, value):
            self.n, self.value = n, value

        def tensor(self):
            return self.value * L.eye(self.n)

        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            if func not in handled or not all(
                issubclass(t, (L.Tensor, ScalarTensor)) for t in types
            ):
                return NotImplemented
            return handled[func](*args, **(kwargs or {}))

    return ScalarTensor


def test_an_object_that_is_no_tensor():
    def program(L):
        handled = {}
        scalar = scalar_class(L, handled)

        def implements(function):
            def register(f):
                functools.update_wrapper(f, function)
                handled[function] = f
                return f

            return register

        @implements(L.mean)
        def mean(input):
            return float(input.value) / input.n

        def ensure(x):
            return x.tensor() if isinstance(x, scalar) else x

        @implements(L.add)
        def add(input, other, alpha=1):
            if isinstance(input, scalar) and isinstance(other, scalar):
                return scalar(input.n, input.value + other.value)
            return L.add(ensure(input), ensure(other), alpha=alpha)

        @implements(L.cat)
        def cat(tensors, dim=0):
            return L.cat([ensure(t) for t in tensors], dim)

        @implements(L.nn.functional.mse_loss)
        def mse(input, target, **kwargs):
            return ("mse", type(input).__name__, type(target).__name__)

        d, x = scalar(2, 3.0), L.ones(2, 2)
        out = [
            L.mean(d), L.add(d, d).value, told(L.add(d, x)), told(L.add(x, d, alpha=2)),
            told(L.cat([x, d])), L.nn.functional.mse_loss(d, x), L.nn.functional.mse_loss(x, d),
        ]  # fmt: skip
        for call in (lambda: L.mul(d, x), lambda: L.sum(d), lambda: L.stack([d])):
            with pytest.raises(TypeError, match=r"failed for 'torch\.[\s\S]*ScalarTensor"):
                call()
        with pytest.raises(TypeError, match="no implementation found for 'torch.nn.func"):
            L.nn.functional.relu(d)
        with pytest.raises(TypeError):
            x @ d
        return out

    same(program)


_FIRST = """
import {} as L
class Lazy:
    def __init__(self, value): self.value = value
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        args = [a.value if isinstance(a, Lazy) else a for a in args]
        names = sorted(kwargs or {{}})
        return func.__name__, [t.__name__ for t in types], len(args), names
x, d = L.ones(2, 2), Lazy(3)
F = L.nn.functional
print({})
"""

#: Calls that may be the first to meet an object of such a class.
FIRST = (
    "L.mean(d)", "L.add(d, 2)", "L.add(x, d, alpha=2)", "x + d", "x * d", "x @ d", "x - d", "x / d",
    "x == d", "L.cat([x, d])", "L.exp(d)", "L.where(x > 0, x, d)", "L.sum(d, dim=0)",
    "L.clone(d)", "L.zeros_like(d)", "L.reshape(d, (4,))", "L.transpose(d, 0, 1)", "L.max(d, 0)",
    "L.einsum('ij,jk', x, d)[0]", "F.linear(d, x)", "L.nn.Linear(2, 2)(d)", "F.softplus(d)",
    "F.gelu(d)", "x.add(d)", "x.mul(d)", "L.logsumexp(d, 0)", "L.addmm(d, x, x)",
)  # fmt: skip


@pytest.mark.parametrize("call", FIRST)
def test_the_first_object_that_is_met(call):
    """It is met by a call that failed until then; before it nothing looked at arguments."""

    def said(library):
        text = _FIRST.format(library, call)
        return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True).stdout

    assert said("anadrome") == said("torch") != ""


def test_operators_ask_the_second_operand():
    def program(L):
        log = []

        class Lazy:
            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                log.append((L.overrides.resolve_name(func), [type(a).__name__ for a in args]))
                return NotImplemented if "sub" in func.__name__ else "done"

            def __rsub__(self, other):
                return "reflected"

        x, d = L.ones(2), Lazy()
        return [x + d, x * d, x / d, x @ d, x - d, x > d, x**d], log

    same(program)


def test_who_is_asked_first():
    def program(L):
        order = []

        def make(name, base, answer):
            def function(cls, func, types, args=(), kwargs=None):
                order.append((cls.__name__, [t.__name__ for t in types]))
                return answer

            return type(name, (base,), {"__torch_function__": classmethod(function)})

        first = make("First", object, NotImplemented)
        second = make("Second", object, "second")
        below = make("Below", first, NotImplemented)
        out = [
            L.add(first(), second()), L.add(second(), first()),
            L.where(first(), below(), second()), L.add(L.ones(1), second()),
            L.stack([first(), L.ones(1), first(), second()]),
        ]  # fmt: skip
        with pytest.raises(TypeError, match=r"failed for 'torch.add'[\s\S]*Below[\s\S]*First"):
            L.add(first(), below())
        return out, order

    same(program)


def test_a_tensor_with_units():
    def program(L):
        handled = {}

        class Unit:
            def __init__(self, values, unit):
                self.values, self.unit = L.as_tensor(values), unit

            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                if func in handled:
                    return handled[func](*args, **(kwargs or {}))
                units = {a.unit for a in args if isinstance(a, Unit)}
                assert len(units) == 1, units
                bare = [a.values if isinstance(a, Unit) else a for a in args]
                return Unit(func(*bare, **(kwargs or {})), units.pop())

            def __mul__(self, other):
                return L.mul(self, other)

        def mul(a, b):
            return Unit(a.values * b.values, a.unit + b.unit)

        handled[L.mul] = mul
        a, b = Unit([1.0, 2.0], "m"), Unit([3.0, 4.0], "s")
        products = [L.mul(a, b), a * b, L.add(a, a), L.sum(a), L.nn.functional.relu(a)]
        with pytest.raises(AssertionError):
            L.add(a, b)
        return [(told(u.values), u.unit) for u in products]

    same(program)


# -- modes --------------------------------------------------------------------------------------
def test_a_mode_sees_each_function():
    def program(L):
        class Log(L.overrides.TorchFunctionMode):
            def __init__(self):
                self.names = []

            def __torch_function__(self, func, types, args=(), kwargs=None):
                self.names.append(L.overrides.resolve_name(func))
                return func(*args, **(kwargs or {}))

        F = L.nn.functional
        with Log() as outer:
            x = L.ones(2, 2)
            with Log() as inner:
                y = F.relu(x + 1) @ x
                z = L.arange(3)[1:]
            w = y.sum() * 2
            L.nn.Linear(2, 2)(x)
        after = x + 1
        del z, w, after
        named = [n.replace("functional.", "") for n in inner.names]
        return named, [n for n in outer.names[:9] if "ones" in n or "sum" in n or "relu" in n]

    same(program)


def test_a_mode_may_answer():
    def program(L):
        class Ones(L.overrides.TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):
                if func is L.zeros:
                    return L.ones(*args)
                if func in {L.Tensor.add, L.add}:
                    return "sum", len(types)
                return func(*args, **(kwargs or {}))

        kind = tensor_class(L)
        with Ones():
            out = told(L.zeros(2)), L.ones(1) + 1, L.add(data(L).as_subclass(kind), 1)
        return out, told(L.zeros(1))

    same(program)


def test_a_mode_that_declines():
    def program(L):
        class Nothing(L.overrides.TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):
                return NotImplemented

        duck = type("Duck", (), {"__torch_function__": lambda *a: "done"})()
        p = data(L)
        with Nothing():
            out = L.exp(duck)
            with pytest.raises(TypeError, match=r"failed for 'torch.exp'[\s\S]*mode"):
                L.exp(p)
            with L._C.DisableTorchFunction():
                quiet = told(L.exp(p * 0))
        return out, quiet

    same(program)


def test_an_exception_in_a_mode():
    def program(L):
        class Fails(L.overrides.TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):
                raise KeyError(func.__name__)

        x = L.ones(1)
        with pytest.raises(KeyError, match="exp"), Fails():
            L.exp(x)
        return told(L.exp(L.zeros(1)))

    same(program)


# -- what the module offers ---------------------------------------------------------------------
def test_a_function_of_the_programs_own():
    def program(L):
        overrides = L.overrides

        def mine(a, b=2):
            if overrides.has_torch_function((a, b)):
                return overrides.handle_torch_function(mine, (a, b), a, b=b)
            return "plain"

        @overrides.wrap_torch_function(lambda a, b=2: (a, b))
        def wrapped(a, b=2):
            return "plain"

        class Duck:
            @classmethod
            def __torch_function__(cls, func, types, args=(), kwargs=None):
                return func.__name__, func in (mine, wrapped), len(args), sorted(kwargs)

        class Mode(overrides.TorchFunctionMode):
            def __torch_function__(self, func, types, args=(), kwargs=None):
                return "mode", func.__name__

        with Mode():
            seen = mine(1)
        return mine(1), mine(L.ones(1)), mine(Duck()), mine(1, Duck()), wrapped(Duck(), 3), seen

    same(program)


def test_questions():
    def program(L):
        o = L.overrides
        kind = tensor_class(L)
        x, p = data(L).as_subclass(kind), data(L)
        duck = type("Duck", (), {"__torch_function__": lambda *a: None})()
        methods = (L.Tensor.add, L.add, L.Tensor.shape.__get__, L.nn.functional.relu, L.Tensor.T)
        return (
            [o.is_tensor_like(v) for v in (x, p, duck, 1, L.nn.Parameter(p))],
            [o.has_torch_function_unary(v) for v in (x, p, duck, 1, L.nn.Parameter(p))],
            o.has_torch_function_variadic(p, x), o.has_torch_function_variadic(p, 1),
            [o.is_tensor_method_or_property(m) for m in methods[:4]],
            [o.resolve_name(m) for m in methods[:4]],
            L.add is L.Tensor.add, L.Tensor.grad.__get__ in o.get_default_nowrap_functions(),
            L.Tensor.add in o.get_overridable_functions()[L.Tensor],
            L.zeros in o.get_ignored_functions(), L.add in o.get_ignored_functions(),
            L.add in o.get_testing_overrides(), o.get_testing_overrides()[L.exp](1),
            L.nn.functional.relu in o.get_overridable_functions()[L.nn.functional],
        )  # fmt: skip

    same(program)


def test_code_that_looks_can_be_hashed_as_profilers_and_debuggers_do():
    with ad.overrides.BaseTorchFunctionMode():
        assert ad.relu(ad.ones(1)).item() == 1.0
    assert len({ad.relu.__code__, ad.Tensor.add.__code__, ad.ones.__code__}) == 3
