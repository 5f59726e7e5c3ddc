"""Functions and methods of Tensors that few programs still use, compared with PyTorch."""

from __future__ import annotations

import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def same(program):
    ours, theirs = program(ad), program(torch)
    assert ours == theirs


def test_other_memory():
    def program(L):
        x = L.arange(6.0)
        y = L.empty(0).set_(x)
        y[0] = 7
        z = L.empty(0).set_(x.untyped_storage(), 1, (2, 2))
        w = L.empty(0).set_(x, 0, (3, 2), (1, 3))
        w[0, 0] = 9
        return (
            x.tolist(), y.tolist(), z.tolist(), w.tolist(), w.stride(),
            y.data_ptr() == x.data_ptr(),
            L.ones(2).set_().tolist(), y.set_(L.ones(3)).tolist(), x.tolist(),
        )  # fmt: skip

    same(program)
    refuse(lambda L, x: x.set_(L.ones(2)), numbers(2))
    refuse(lambda L: L.ones(2).set_(L.ones(2, dtype=L.int64)))


def test_a_write_through_the_other_view_is_noticed():
    x = ad.ones(2)
    w = ad.ones(2, requires_grad=True)
    out = (x * w).sum()
    ad.empty(0).set_(x).zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.backward()


def test_strides_that_are_given():
    def program(L):
        a = L.empty_strided((2, 3), (1, 2))
        b = L.empty_permuted((2, 3, 4), (1, 0, 2), dtype=L.float64, requires_grad=True)
        c = L.ones(1, dtype=L.int32).new_empty_strided((0, 2), (1, 1))
        return [
            (tuple(t.shape), t.stride(), str(t.dtype).rpartition(".")[2], t.requires_grad)
            for t in (a, b)
        ], tuple(c.shape)

    same(program)
    refuse(lambda L: L.empty_strided((2,), (1, 1)))
    refuse(lambda L: L.empty_permuted((2, 3), (0, 0)))


def test_values_in_the_place_of_a_strided_view():
    agree(
        lambda L, x, s: (
            L.as_strided_scatter(x, s, (2, 2), (1, 3)),
            x.as_strided_scatter(s, (2, 2), (2, 1), 1),
        ),
        numbers(3, 3), numbers(2, 2, seed=1), gradients=False,
    )  # fmt: skip
    refuse(lambda L, x: L.as_strided_scatter(x, x, (2, 2), (1, 3)), numbers(3, 3))


def test_the_gradient_past_a_strided_view():
    """PyTorch 2.13 sends the first operand the gradient of what was replaced, not of the rest."""
    x = ad.zeros(3, 3, requires_grad=True)
    s = ad.zeros(2, 2, requires_grad=True)
    seed = ad.arange(9.0).reshape(3, 3)
    ad.as_strided_scatter(x, s, (2, 2), (1, 3)).backward(seed)
    assert x.grad.tolist() == [[0.0, 0.0, 2.0], [0.0, 0.0, 5.0], [6.0, 7.0, 8.0]]
    assert s.grad.tolist() == [[0.0, 3.0], [1.0, 4.0]]


def test_a_function_of_each_element():
    def program(L):
        x = L.tensor([[1.0, 2.0], [3.0, 4.0]])
        y = x.t()
        out = [x.clone().apply_(lambda v: v * 2 + 1).tolist()]
        out.append(x.clone().map_(y, lambda a, b: a - b).tolist())
        out.append(x.clone().map2_(y, y, lambda a, b, c: a + b * c).tolist())
        out.append(L.tensor([1, 2]).apply_(lambda v: v + 1).tolist())
        return out

    same(program)
    refuse(lambda L, x: x.apply_(abs), numbers(2))
    refuse(lambda L, x: L.ones(2).map_(x, max), numbers(2))


def test_a_tensor_of_another_class():
    for L in (ad, torch):

        class Mine(L.Tensor):
            def twice(self):
                return self * 2

        x = L.tensor([1.0, 2.0], requires_grad=True)
        y = x.as_subclass(Mine)
        assert isinstance(y, Mine) and type(x) is not Mine
        y.twice().sum().backward()
        assert x.grad.tolist() == [2.0, 2.0]
        assert y.data_ptr() == x.data_ptr()
    refuse(lambda L: L.ones(2).as_subclass(int))


def test_a_parameter_of_another_class():
    def program(L):
        class Scaled(L.nn.Parameter):
            def __new__(cls, data, scale=2.0):
                out = L.Tensor._make_subclass(cls, data, True)
                out.scale = scale
                return out

        class Layer(L.nn.Module):
            def __init__(self):
                super().__init__()
                self.weight = Scaled(L.ones(2), 3.0)

            def forward(self, x):
                return x * self.weight * self.weight.scale

        layer = Layer()
        layer(L.tensor([1.0, 2.0])).sum().backward()
        kind = type(layer.weight).__name__
        return kind, dict(layer.named_parameters()).keys(), layer.weight.grad.tolist()

    assert program(ad) == program(torch)
    plain = ad.Tensor._make_subclass(ad.nn.Parameter, ad.ones(2))
    assert not plain.requires_grad
    with pytest.raises(TypeError, match="derived from Tensor"):
        ad.Tensor._make_subclass(int, ad.ones(2))


@pytest.mark.parametrize("size", [0, 2, 5])
def test_so_many_places_that_are_not_zero(size):
    values = [[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]]

    def program(L):
        x = L.tensor(values)
        return (
            L.nonzero_static(x, size=size).tolist(),
            x.nonzero_static(size=size, fill_value=7).tolist(),
        )

    same(program)


def test_unsafe_parts():
    agree(
        lambda L, x: (
            L.unsafe_chunk(x, 2, 1), L.unsafe_split(x, 2), x.unsafe_split_with_sizes((1, 3), 1),
        ),
        numbers(3, 4),
    )  # fmt: skip


@pytest.mark.filterwarnings("ignore:This overload of")
@pytest.mark.parametrize("name", ["add", "add_", "sub", "sub_"])
def test_a_factor_that_comes_first(name: str) -> None:
    arrays = numbers(2, 3), numbers(3, seed=1)
    for factor in (3, -0.5):
        agree(lambda L, x, y, f=factor: getattr(x * 1, name)(f, y), *arrays)
    agree(lambda L, x, y: getattr(x * 1, name)(3, 2), *arrays)
    for L in (ad, torch):
        for wrong in ((L.ones(2), 2), (L.ones(2), L.ones(2)), (1, L.ones(2), L.ones(2))):
            with pytest.raises(TypeError):
                getattr(L.ones(2), name)(*wrong)


@pytest.mark.filterwarnings("ignore:This overload of")
@pytest.mark.parametrize("name", ["addcmul", "addcmul_", "addcdiv", "addcdiv_"])
def test_a_factor_that_comes_before_two(name: str) -> None:
    arrays = numbers(2, 3), numbers(3, seed=1), numbers(2, 1, seed=2, low=0.5)
    agree(lambda L, x, a, b: getattr(x * 1, name)(-0.5, a, b), *arrays)
    if name[-1] != "_":
        agree(lambda L, x, a, b: getattr(L, name)(x, 2, a, b), *arrays)
