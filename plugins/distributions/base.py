"""base: what all distributions have in common."""

from __future__ import annotations

from typing import Any, ClassVar

import anadrome as ad
from anadrome import Size, Tensor, sites
from anadrome.border import Bordered

from . import constraints
from .values import broadcast_all, lazy_property, size_of


class Distribution(Bordered):
    """Base of all distributions (PyTorch: ``distributions.Distribution``).

    A sample has the shape ``sample_shape + batch_shape + event_shape``: independent draws, one for
    each set of parameters, of values that may be vectors. ``log_prob`` of it has the shape
    ``sample_shape + batch_shape``. ``sample`` has no gradient; ``rsample``, where there is one
    (``has_rsample``), is differentiable in the parameters.

    Parameters and values are checked against ``arg_constraints`` and ``support``, and a
    ``ValueError`` names what does not satisfy them, unless ``validate_args=False``.
    """

    has_rsample: Any = False
    has_enumerate_support: Any = False
    _validate_args = __debug__
    arg_constraints: ClassVar[Any]
    support: Any

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether parameters and values are checked where ``validate_args`` is not given."""
        if value not in (True, False):
            raise ValueError(f"validate_args is True or False, not {value!r}")
        Distribution._validate_args = value

    def __init__(
        self, batch_shape: Any = (), event_shape: Any = (), validate_args: bool | None = None
    ) -> None:
        self._batch_shape = Size(batch_shape)
        self._event_shape = Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    def _check_parameters(self) -> None:
        allowed = getattr(self, "arg_constraints", None)
        if allowed is None:
            sites.warn(
                f"{type(self)} does not define `arg_constraints`. Please set `arg_constraints = "
                "{}` or initialize the distribution with `validate_args=False` to turn off "
                "validation.",
            )
            return
        for name, constraint in allowed.items():
            if constraints.is_dependent(constraint):
                continue
            if name not in self.__dict__ and isinstance(
                getattr(type(self), name, None), lazy_property
            ):
                continue
            value = getattr(self, name)
            if not bool(constraint.check(value).all()):
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape "
                    f"{tuple(value.shape)}) of distribution {self!r} to satisfy the constraint "
                    f"{constraint!r}, but found invalid values:\n{value}"
                )

    def _take(self, validate_args: bool | None, **parameters: Any) -> None:
        """Keep parameters, of one shape, which is that of the batch."""
        for name, value in zip(parameters, broadcast_all(*parameters.values())):
            setattr(self, name, value)
        Distribution.__init__(self, value.shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same distribution with its parameters expanded to a batch shape."""
        bundled = next(c for c in type(self).__mro__ if c.__module__.startswith(__package__))
        new = self._get_checked_instance(bundled, _instance)
        batch_shape = Size(batch_shape)
        for name, constraint in self.arg_constraints.items():
            value = self.__dict__.get(name)
            if isinstance(value, Tensor):
                own = constraint.event_dim if not constraints.is_dependent(constraint) else 0
                shape = (*batch_shape, *value.shape[value.ndim - own :])
                setattr(new, name, value.expand(shape))
        self._expand_rest(new, batch_shape)
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _get_checked_instance(self, cls: Any, _instance: Any = None) -> Any:
        """A new instance to fill; refused for a class derived from ``cls`` that may keep more."""
        if _instance is not None:
            return _instance
        if type(self).__init__ is not cls.__init__:
            raise NotImplementedError(
                f"Subclass {type(self).__name__} of {cls.__name__} that defines a custom __init__ "
                "method must also define a custom .expand() method."
            )
        return type(self).__new__(type(self))

    def _expand_rest(self, new: Any, batch_shape: Size) -> None:
        """For what a distribution keeps besides its parameters."""

    @property
    def batch_shape(self) -> Size:
        """The shape over which parameters are given."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one value."""
        return self._event_shape

    @property
    def mean(self) -> Tensor:
        """The expected value."""
        raise self._missing("mean")

    @property
    def mode(self) -> Tensor:
        """The most likely value."""
        raise self._missing("mode")

    @property
    def variance(self) -> Tensor:
        """The expected squared distance from the mean."""
        raise self._missing("variance")

    @property
    def stddev(self) -> Tensor:
        """The root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draw, without a gradient."""
        with ad.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draw, with a gradient with respect to the parameters."""
        raise NotImplementedError(
            f"{type(self).__name__} has no rsample(): use sample(), and log_prob() for a gradient"
        )

    def sample_n(self, n: int) -> Tensor:
        """Deprecated: ``sample((n,))``."""
        sites.warn(
            "`sample_n(n)` will be deprecated. Use `sample((n,))` instead.",
            FutureWarning,
        )
        return self.sample((n,))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density, or of the probability."""
        raise self._missing("log_prob")

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of a smaller or equal value."""
        raise self._missing("cdf")

    def icdf(self, value: Tensor) -> Tensor:
        """The value whose ``cdf`` that is."""
        raise self._missing("icdf")

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of a discrete distribution, along the first dimension."""
        raise self._missing("enumerate_support")

    def entropy(self) -> Tensor:
        """The expected negative ``log_prob``."""
        raise self._missing("entropy")

    def perplexity(self) -> Tensor:
        """The exponential of the entropy."""
        return self.entropy().exp()

    def _missing(self, name: str) -> NotImplementedError:
        return NotImplementedError(f"{type(self)} does not implement {name}")

    def _extended_shape(self, sample_shape: Any = ()) -> Size:
        return Size((*size_of(sample_shape), *self._batch_shape, *self._event_shape))

    def _validate_sample(self, value: Any) -> None:
        if not isinstance(value, Tensor):
            raise ValueError(
                f"The value argument to log_prob must be a Tensor, not {type(value).__name__}"
            )
        shape, event = tuple(value.shape), tuple(self._event_shape)
        if shape[len(shape) - len(event) :] != event:
            raise ValueError(
                f"The right-most size of value must match event_shape: {value.shape} vs "
                f"{self._event_shape}."
            )
        expected = (*self._batch_shape, *event)
        if any(1 != i != j != 1 for i, j in zip(reversed(shape), reversed(expected))):
            raise ValueError(
                f"Value is not broadcastable with batch_shape+event_shape: {value.shape} vs "
                f"{Size(expected)}."
            )
        support = getattr(self, "support", None)
        if support is None:
            sites.warn(
                f"{type(self)} does not define `support` to enable sample validation. Please "
                "initialize the distribution with `validate_args=False` to turn off validation.",
            )
        elif not bool(support.check(value).all()):
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {shape}) to be within "
                f"the support ({support!r}) of the distribution {self!r}, but found invalid "
                f"values:\n{value}"
            )

    def _checked(self, value: Any) -> Any:
        """The value, after a check if that is wanted."""
        if self._validate_args:
            self._validate_sample(value)
        return value

    def __repr__(self) -> str:
        told = []
        for name in self.arg_constraints:
            value = self.__dict__.get(name)
            if value is not None:
                told.append(f"{name}: {value if value.numel() == 1 else value.shape}")
        return f"{type(self).__name__}({', '.join(told)})"
