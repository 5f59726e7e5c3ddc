"""The engine's errors name the lines of the user's code that are to blame."""

from __future__ import annotations

import re

import pytest

import anadrome as ad

HERE = r"(?:tests/)?test_engine_errors\.py:\d+"


class TestErrors:
    """The text starts as PyTorch's does, and names both of the user's lines."""

    def test_second_backward(self) -> None:
        x = ad.ones(2, requires_grad=True)
        y = x.exp().sum()
        y.backward()
        with pytest.raises(RuntimeError) as info:
            y.backward()
        text = str(info.value)
        assert text.startswith("Trying to backward through the graph a second time")
        assert re.search(rf"saved by `ExpBackward0` \({HERE}, `y = x\.exp\(\)\.sum\(\)`\)", text)
        line = first_line(text, r"freed by the backward at \S*test_engine_errors\.py:(\d+)")
        assert source(line) == "y.backward()"
        assert "backward(retain_graph=True)" in text

    def test_second_backward_without_saved_values(self) -> None:
        x = ad.ones(2, requires_grad=True)
        y = (x + 1).sum()
        y.backward()
        y.backward()  # as in PyTorch: nothing was saved, so nothing is gone
        assert x.grad.tolist() == [2.0, 2.0]

    def test_modified_in_place(self) -> None:
        x = ad.ones(2, requires_grad=True)
        w = ad.ones(2)
        y = (x * w).sum()
        w.add_(1)
        with pytest.raises(RuntimeError) as info:
            y.backward()
        text = str(info.value)
        assert text.startswith(
            "one of the variables needed for gradient computation has been modified by an "
            "inplace operation"
        )
        assert re.search(rf"saved by `MulBackward0` \({HERE}, `y = \(x \* w\)\.sum\(\)`\)", text)
        assert re.search(
            rf"changed in place at {HERE}, `w\.add_\(1\)` \(it is at version 1\)", text
        )
        assert "clone()" in text

    def test_modified_output(self) -> None:
        x = ad.ones(2, requires_grad=True)
        y = x.exp()
        z = y.sum()
        y.mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace.*ExpBackward0"):
            z.backward()

    def test_modified_under_no_grad(self) -> None:
        x = ad.ones(2, requires_grad=True)
        y = (x * x).sum()
        with ad.no_grad():
            x.sub_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace"):
            y.backward()

    def test_detached(self) -> None:
        x = ad.ones(2, requires_grad=True)
        y = (x * 2).detach().sum()
        with pytest.raises(RuntimeError) as info:
            y.backward()
        text = str(info.value)
        assert text.startswith(
            "element 0 of tensors does not require grad and does not have a grad_fn"
        )
        z = (x * 2).sum().detach()
        with pytest.raises(RuntimeError) as info:
            z.backward()
        assert re.search(rf"detached at {HERE}, `z = \(x \* 2\)", str(info.value))

    def test_no_graph(self) -> None:
        with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad"):
            ad.ones(2).sum().backward()
        x = ad.ones(2, requires_grad=True)
        with ad.no_grad():
            y = x.sum()
            with pytest.raises(RuntimeError, match="recording is off here"):
                y.backward()

    def test_not_a_scalar(self) -> None:
        y = ad.ones(2, 3, requires_grad=True) * 2
        with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar"):
            y.backward()

    def test_shape_of_the_given_gradient(self) -> None:
        y = ad.ones(2, requires_grad=True) * 2
        with pytest.raises(RuntimeError, match=r"Mismatch in shape.*\(3,\).*\(2,\)"):
            y.backward(ad.ones(3))

    def test_backward_of_a_number(self) -> None:
        with pytest.raises(TypeError, match=r"`\.item\(\)` leaves the graph"):
            ad.autograd.backward(3.0)  # type: ignore[arg-type]

    def test_unused_input(self) -> None:
        x, w = ad.ones(1, requires_grad=True), ad.ones(1, requires_grad=True)
        with pytest.raises(RuntimeError, match="appears to not have been used in the graph"):
            ad.autograd.grad(x * 2, w)

    def test_in_place_on_a_leaf(self) -> None:
        x = ad.ones(2, requires_grad=True)
        with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used"):
            x.add_(1)
        with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
            x[0] = 1.0

    def test_write_into_repeated_memory(self) -> None:
        x = ad.zeros(1, 3).expand(2, 3)
        with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
            x.add_(1)
        with pytest.raises(RuntimeError, match="Please clone"), ad.no_grad():
            x.fill_(1)

    def test_op_without_a_rule(self) -> None:
        from anadrome.op import MISSING, op, table

        call = op("no_rule", lambda xp, x: x * 2, x=MISSING, method=False)
        try:
            y = call(ad.ones(2, requires_grad=True)).sum()
            with pytest.raises(NotImplementedError) as info:
                y.backward()
        finally:
            del table["no_rule"]
        assert "derivative of 'no_rule' (from anadrome) with respect to 'x'" in str(info.value)
        assert re.search(HERE, str(info.value))


def first_line(text: str, pattern: str) -> int:
    found = re.search(pattern, text)
    assert found, text
    return int(found.group(1))


def source(line: int) -> str:
    with open(__file__, encoding="utf-8") as file:
        return file.read().splitlines()[line - 1].strip()
