"""lbfgs: a quasi-Newton method for functions that can be evaluated many times."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.optim import Optimizer
from anadrome.optim.checks import check_rate

from .line_search import strong_wolfe


class LBFGS(Optimizer):
    """Limited-memory BFGS (PyTorch: ``optim.LBFGS``): ``step(closure)`` iterates on one function.

    ``closure`` clears the gradients, computes the loss, calls ``backward()`` and returns the loss;
    a step calls it up to ``max_eval`` times (``max_iter * 5 // 4`` if left out) in ``max_iter``
    iterations, and ends early when the largest gradient is below ``tolerance_grad``, or loss or
    parameters change by less than ``tolerance_change``. ``history_size``: how many past steps the
    curvature is estimated from. ``line_search_fn="strong_wolfe"`` finds each step's length; without
    it the length is ``lr``. There can be one parameter group only. A complex parameter counts as
    its real and imaginary parts.

    Returns the loss at the start of the step. Raises ``ValueError`` for several groups,
    ``RuntimeError`` for another ``line_search_fn``.

    Liu and Nocedal, "On the Limited Memory BFGS Method for Large Scale Optimization", 1989.

    >>> import anadrome as ad
    >>> x = ad.tensor([3.0, -2.0], requires_grad=True)
    >>> optimizer = ad.optim.LBFGS([x], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((x - 1.0) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item()
    13.0
    >>> x
    tensor([1.0000, 1.0000], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_rate(lr)
        super().__init__(
            params,
            {
                "lr": lr,
                "max_iter": max_iter,
                "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
                "tolerance_grad": tolerance_grad,
                "tolerance_change": tolerance_change,
                "history_size": history_size,
                "line_search_fn": line_search_fn,
            },
        )
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list[Tensor]:
        return self.param_groups[0]["params"]

    @ad.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        if not callable(closure):
            raise TypeError(
                "LBFGS.step() needs a closure that clears the gradients, computes the loss, calls "
                "backward() and returns it"
            )
        count = len(self.param_groups)
        if count != 1:
            raise AssertionError(f"Expected exactly one param_group, but got {count}")
        group = self.param_groups[0]
        search = group["line_search_fn"]
        closure = ad.enable_grad()(closure)
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        first_loss = closure()
        if first_loss is None or isinstance(first_loss, (str, bytes)):
            kind = type(first_loss).__name__
            raise TypeError(f"LBFGS: the closure returned {kind}; it must return the loss")
        loss = float(first_loss)
        evaluations = 1
        state["func_evals"] += 1
        gradient = self._gradient()
        if _small(gradient, group["tolerance_grad"]):
            return first_loss

        iteration = 0
        while iteration < group["max_iter"]:  # which may be a float
            iteration += 1
            state["n_iter"] += 1
            direction = self._direction(state, gradient, group["history_size"])
            state["d"] = direction
            state["prev_flat_grad"] = gradient
            last_loss = state["prev_loss"] = loss
            t = _rate(group)
            if state["n_iter"] == 1:
                t = min(1.0, 1.0 / gradient.abs().sum()) * t
            state["t"] = t
            slope = gradient.dot(direction)
            if slope > -group["tolerance_change"]:
                break
            used = 0
            done = False
            if search is not None:
                if search != "strong_wolfe":
                    raise RuntimeError(
                        f"only 'strong_wolfe' is supported as line_search_fn, not {search!r}"
                    )
                start = [p.clone() for p in self._params]
                loss, gradient, t, used = strong_wolfe(
                    functools.partial(self._evaluated, closure, start, direction),
                    t, direction, loss, gradient, slope,
                    max_ls=group["max_eval"] - evaluations,
                )  # fmt: skip
                state["t"] = t
                self._move(t, direction)
                done = _small(gradient, group["tolerance_grad"])
            else:
                self._move(t, direction)
                if iteration != group["max_iter"]:  # else nobody would use it
                    loss = float(closure())
                    gradient = self._gradient()
                    done = _small(gradient, group["tolerance_grad"])
                    used = 1
            evaluations += used
            state["func_evals"] += used
            if (
                done
                or evaluations >= group["max_eval"]
                or _small(direction * t, group["tolerance_change"])
                or abs(loss - last_loss) < group["tolerance_change"]
            ):
                break
        return first_loss

    def _direction(self, state: dict[str, Any], gradient: Tensor, history_size: int) -> Tensor:
        """The gradient times the estimated inverse Hessian, downhill."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -gradient
        dirs, steps, ro = state["old_dirs"], state["old_stps"], state["ro"]
        y = gradient - state["prev_flat_grad"]
        s = state["d"] * state["t"]
        ys = y.dot(s)
        if ys > 1e-10:
            if len(dirs) == history_size:
                del dirs[0], steps[0], ro[0]
            dirs.append(y)
            steps.append(s)
            ro.append(1.0 / ys)
            state["H_diag"] = ys / y.dot(y)
        al = state.setdefault("al", [None] * history_size)
        q = -gradient
        for i in range(len(dirs) - 1, -1, -1):
            al[i] = steps[i].dot(q) * ro[i]
            q = q - dirs[i] * al[i]
        r = q * state["H_diag"]
        for i in range(len(dirs)):
            r = r + steps[i] * (al[i] - dirs[i].dot(r) * ro[i])
        return r

    def _gradient(self) -> Tensor:
        """All gradients, one after the other."""
        each = [ad.zeros_like(p) if p.grad is None else p.grad for p in self._params]
        return ad.cat([_real(g).reshape(-1) for g in each])

    def _move(self, t: Any, direction: Tensor) -> None:
        """Go ``t`` along the direction."""
        start = 0
        for p in map(_real, self._params):
            stop = start + p.numel()
            p += (direction[start:stop] * t).reshape(p.shape)
            start = stop

    def _evaluated(
        self, closure: Callable[[], Any], start: list[Tensor], direction: Tensor, t: Any
    ) -> tuple[float, Tensor]:
        """Loss and gradient at ``t`` along the direction; the parameters are put back."""
        self._move(t, direction)
        loss = float(closure())
        gradient = self._gradient()
        for p, before in zip(self._params, start):
            p.copy_(before)
        return loss, gradient


def _real(x: Tensor) -> Tensor:
    """Itself, or a view of the real and imaginary parts."""
    return ad.view_as_real(x) if x.is_complex() else x


def _rate(group: dict[str, Any]) -> Any:
    lr = group["lr"]
    return lr.item() if isinstance(lr, Tensor) else lr


def _small(values: Tensor, tolerance: float) -> bool:
    return bool(values.abs().max() <= tolerance)
