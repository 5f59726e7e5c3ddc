"""fuzzing: Tensors of drawn sizes and layouts to measure with (``utils.benchmark.Fuzzer``)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import anadrome as ad
from anadrome import Tensor


class FuzzedParameter:
    """A number to be drawn, or one of several values (``torch.utils.benchmark.FuzzedParameter``).

    ``distribution``: "loguniform" or "uniform" between ``minval`` and ``maxval``, or a dict of
    values and their probabilities. ``strict``: drawn once, not again when others are refused.
    """

    def __init__(
        self,
        name: str,
        minval: float | None = None,
        maxval: float | None = None,
        distribution: Any = None,
        strict: bool = False,
    ) -> None:
        if isinstance(distribution, dict):
            if any(p < 0 for p in distribution.values()):
                raise AssertionError("Probabilities cannot be negative")
            if minval is not None or maxval is not None:
                raise AssertionError(
                    "When passing a custom distribution, 'minval' and 'maxval' must be None"
                )
        elif distribution not in ("loguniform", "uniform"):
            raise AssertionError(f"Unknown distribution: {distribution}")
        self.name = name
        self._low = minval
        self._high = maxval
        self._distribution = distribution
        self.strict = strict

    def sample(self, state: Any) -> Any:
        """A value, drawn from NumPy's ``RandomState``."""
        low: Any = self._low
        high: Any = self._high
        if isinstance(self._distribution, dict):
            shares = np.array(list(self._distribution.values()), dtype=float)
            chosen = state.choice(np.arange(len(shares)), p=shares / shares.sum())
            return list(self._distribution)[chosen]
        if self._distribution == "loguniform":
            value = int(2 ** state.uniform(low=math.log2(low), high=math.log2(high)))
            return min(max(value, low), high)
        if isinstance(low, int) and isinstance(high, int):
            return int(state.randint(low=low, high=high + 1))
        return state.uniform(low=low, high=high)


class ParameterAlias:
    """The value of another parameter (``torch.utils.benchmark.ParameterAlias``)."""

    def __init__(self, alias_to: str) -> None:
        self.alias_to = alias_to

    def __repr__(self) -> str:
        return f"ParameterAlias[alias_to: {self.alias_to}]"


class FuzzedTensor:
    """A Tensor to be made of drawn numbers (``torch.utils.benchmark.FuzzedTensor``).

    ``size``: numbers and names of parameters. ``steps``: the same, for a Tensor that is a slice
    of a larger one. ``probability_contiguous``: how often its dimensions lie in order.
    ``min_elements``, ``max_elements`` and ``max_allocation_bytes``: what is refused, so that other
    numbers are drawn. ``dim_parameter``: how many of the sizes count. ``tensor_constructor``:
    called with ``size``, ``dtype`` and the parameters.
    """

    def __init__(
        self,
        name: str,
        size: tuple[Any, ...],
        steps: tuple[Any, ...] | None = None,
        probability_contiguous: float = 0.5,
        min_elements: int | None = None,
        max_elements: int | None = None,
        max_allocation_bytes: int | None = None,
        dim_parameter: str | None = None,
        roll_parameter: str | None = None,
        dtype: Any = None,
        cuda: bool = False,
        tensor_constructor: Callable[..., Tensor] | None = None,
    ) -> None:
        self.name = name
        self._size = size
        self._steps = steps or ()
        self._contiguous = probability_contiguous
        self._least = min_elements
        self._most = max_elements
        self._bytes = max_allocation_bytes
        self._dim = dim_parameter
        self._dtype = ad.float32 if dtype is None else dtype
        self._cuda = cuda
        self._constructor = tensor_constructor or self.default_tensor_constructor

    @staticmethod
    def default_tensor_constructor(size: Any, dtype: Any, **kwargs: Any) -> Tensor:
        """Random numbers: from 0 to 1, or integers from 1 to 126."""
        if dtype.is_floating_point or dtype.is_complex:
            return ad.rand(size, dtype=dtype, device="cpu")
        return ad.randint(1, 127, size, dtype=dtype, device="cpu")

    def _make_tensor(self, params: dict[str, Any], state: Any) -> tuple[Tensor, dict[str, Any]]:
        size, steps, whole = self._lengths(params)
        raw = self._constructor(size=whole, dtype=self._dtype, **params)
        if self._cuda:
            raw = raw.cuda()
        order = np.arange(len(size))
        if state.rand() > self._contiguous:
            while len(size) > 1 and np.all(order == np.arange(len(size))):
                order = state.permutation(raw.dim())
            raw = raw.permute(tuple(int(i) for i in order)).contiguous()
            raw = raw.permute(tuple(int(i) for i in np.argsort(order)))
        tensor = raw[tuple(slice(0, n * step, step) for n, step in zip(size, steps))]
        return tensor, {
            "numel": int(tensor.numel()),
            "order": order,
            "steps": steps,
            "is_contiguous": tensor.is_contiguous(),
            "dtype": str(self._dtype),
        }

    def _lengths(self, params: dict[str, Any]) -> tuple[Any, Any, Any]:
        count = len(self._size) if self._dim is None else params[self._dim]

        def numbers(values: tuple[Any, ...]) -> tuple[Any, ...]:
            found = [params.get(v, v) for v in values[:count]]
            return (*found, *[1] * (count - len(found)))

        size, steps = numbers(self._size), numbers(self._steps)
        return size, steps, tuple(n * step for n, step in zip(size, steps))

    def satisfies_constraints(self, params: dict[str, Any]) -> bool:
        """Whether it is as large as it may be."""
        size, _, whole = self._lengths(params)
        count = math.prod(size)
        return not (
            (self._most is not None and count > self._most)
            or (self._least is not None and count < self._least)
            or (self._bytes is not None and math.prod(whole) * self._dtype.itemsize > self._bytes)
        )


class Fuzzer:
    """Draws parameters, and makes Tensors of them (``torch.utils.benchmark.Fuzzer``).

    ``constraints``: functions of the dict of parameters that say whether it will do. ``seed``:
    the same gives the same.

    >>> from anadrome.utils.benchmark import Fuzzer, FuzzedParameter, FuzzedTensor
    >>> sizes = FuzzedParameter("n", 4, 64, "loguniform")
    >>> fuzzer = Fuzzer([sizes], [FuzzedTensor("x", size=("n", 2))], seed=0)
    >>> for tensors, properties, parameters in fuzzer.take(2):
    ...     print(parameters["n"], tuple(tensors["x"].shape))
    29 (29, 2)
    13 (13, 2)
    """

    def __init__(
        self,
        parameters: list[Any],
        tensors: list[Any],
        constraints: list[Callable[..., bool]] | None = None,
        seed: int | None = None,
    ) -> None:
        if seed is None:
            seed = int(np.random.RandomState().randint(0, 2**32 - 1, dtype=np.int64))
        self._seed = seed
        self._parameters = _flat(parameters, FuzzedParameter)
        self._tensors = _flat(tensors, FuzzedTensor)
        self._constraints = constraints or []
        both = {p.name for p in self._parameters} & {t.name for t in self._tensors}
        if both:
            raise ValueError(f"Duplicate names in parameters and tensors: {both}")
        self._refused = self._drawn = 0

    def take(self, n: int) -> Iterator[tuple[dict[str, Tensor], dict[str, Any], dict[str, Any]]]:
        """``n`` times the Tensors by name, what they are like, and the parameters."""
        state = np.random.RandomState(self._seed)
        ad.manual_seed(int(state.randint(low=0, high=2**63, dtype=np.int64)))
        for _ in range(n):
            params = self._parameters_of(state)
            made = {t.name: t._make_tensor(params, state) for t in self._tensors}
            yield (
                {name: tensor for name, (tensor, _) in made.items()},
                {name: facts for name, (_, facts) in made.items()},
                params,
            )

    @property
    def rejection_rate(self) -> float:
        """What part of the draws was refused."""
        return self._refused / self._drawn if self._drawn else 0.0

    def _parameters_of(self, state: Any) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for _ in range(1000):
            found = {}
            for parameter in self._parameters:
                name = parameter.name
                if parameter.strict:
                    if name not in kept:
                        kept[name] = parameter.sample(state)
                    found[name] = kept[name]
                else:
                    found[name] = parameter.sample(state)
            found = _resolved(found)
            self._drawn += 1
            fits = all(f(found) for f in self._constraints)
            if fits and all(t.satisfies_constraints(found) for t in self._tensors):
                return found
            self._refused += 1
        raise ValueError("Failed to generate a set of valid parameters.")


def _flat(values: list[Any], kind: type) -> list[Any]:
    return [v for value in values for v in ([value] if isinstance(value, kind) else value)]


def _resolved(params: dict[str, Any]) -> dict[str, Any]:
    """The same, with values in the place of aliases."""
    found = {}
    for name, value in params.items():
        seen = {name}
        while isinstance(value, ParameterAlias):
            if value.alias_to in seen:
                raise ValueError(f"ParameterAlias cycle detected\n{params}")
            seen.add(value.alias_to)
            value = params[value.alias_to]
        found[name] = value
    return found
