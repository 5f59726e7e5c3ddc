"""lazy: layers that take their input's width from the first input (PyTorch: ``LazyLinear`` ...)."""

from __future__ import annotations

from typing import Any

from ... import modes
from ...border import enclose
from ...tensor import Tensor
from ..parameter import UninitializedBuffer, UninitializedParameter, is_lazy
from . import batchnorm, conv, instancenorm
from .linear import Linear

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
    "LazyLinear",
    "LazyModuleMixin",
]


@enclose
class LazyModuleMixin:
    """For a module with uninitialized parameters (PyTorch: ``torch.nn.modules.lazy``).

    Before the first forward ``initialize_parameters`` is called with its arguments; then the module
    becomes one of class ``cls_to_become``.
    """

    cls_to_become: type[Any] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        me: Any = self
        me._load_hook = me._register_load_state_dict_pre_hook(self._lazy_load_hook)
        me._initialize_hook = me.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give every uninitialized parameter a shape and values; every lazy class writes it."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or buffer of this module still waits for its shape."""
        me: Any = self
        return any(is_lazy(p) for p in (*me._parameters.values(), *me._buffers.values()))

    def _lazy_load_hook(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        """What is loaded decides the shape too."""
        me: Any = self
        for name, mine in (*me._parameters.items(), *me._buffers.items()):
            given = state_dict.get(prefix + name)
            if given is not None and is_lazy(mine) and not is_lazy(given):
                mine.materialize(given.shape)

    def _infer_parameters(self, module: Any, args: Any, kwargs: Any) -> None:
        module.initialize_parameters(*args, **kwargs)
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {module._get_name()} has not been fully initialized")
        for name in ("_initialize_hook", "_load_hook"):
            getattr(module, name).remove()
            delattr(module, name)
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become


class LazyLinear(LazyModuleMixin, Linear):
    """A ``Linear`` whose ``in_features`` is the first input's last length (``LazyLinear``).

    >>> import anadrome as ad
    >>> layer = ad.nn.LazyLinear(3)
    >>> layer(ad.ones(5, 2)).shape, layer
    (anadrome.Size([5, 3]), Linear(in_features=2, out_features=3, bias=True))
    """

    cls_to_become = Linear

    def __init__(
        self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(0, 0, False)
        made = {"device": device, "dtype": dtype}
        self.weight = UninitializedParameter(**made)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(**made)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, if there are any yet."""
        if not self.has_uninitialized_params() and self.in_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:  # type: ignore[override]
        """Take the width from the input."""
        width = input.shape[-1]
        if self.has_uninitialized_params():
            with modes.no_grad():
                self.in_features = width
                self.weight.materialize((self.out_features, width))  # type: ignore[attr-defined]
                if self.bias is not None:
                    self.bias.materialize((self.out_features,))  # type: ignore[attr-defined]
                self.reset_parameters()
        if self.in_features == 0:
            if width != self.weight.shape[-1]:
                raise AssertionError(
                    f"The in_features inferred from input: {width} is not equal to in_features "
                    f"from self.weight: {self.weight.shape[-1]}"
                )
            self.in_features = width


@enclose
class _LazyConv(LazyModuleMixin):
    """The part that the six convolutions share."""

    def _begin(self, out_channels: int, bias: bool, **given: Any) -> None:
        """Without a weight yet: ``given`` are the other arguments of the convolution."""
        made = {name: given[name] for name in ("device", "dtype")}
        super().__init__(0, 0, bias=False, **given)
        me: Any = self
        me.weight = UninitializedParameter(**made)
        me.out_channels = out_channels
        if bias:
            me.bias = UninitializedParameter(**made)

    transposed: bool
    dims: int

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, if there are any yet."""
        me: Any = super()
        if not self.has_uninitialized_params() and self.in_channels != 0:
            me.reset_parameters()

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Take the channels from the input."""
        channels = self._channels_of(input)
        me: Any = self
        if self.has_uninitialized_params():
            me.in_channels = channels
            if channels % me.groups:
                raise ValueError("in_channels must be divisible by groups")
            lead = (me.out_channels, channels // me.groups)
            if self.transposed:
                lead = (channels, me.out_channels // me.groups)
            me.weight.materialize((*lead, *me.kernel_size))
            if me.bias is not None:
                me.bias.materialize((me.out_channels,))
            self.reset_parameters()
        elif me.in_channels == 0:
            me.in_channels = channels

    in_channels: int

    def _channels_of(self, input: Tensor) -> int:
        n = self.dims
        if input.ndim not in (n + 1, n + 2):
            raise RuntimeError(
                f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to "
                f"{type(self).__name__}, but got input of size: {input.shape!r}"
            )
        return input.shape[input.ndim - n - 1]


@enclose
class _LazyForward(_LazyConv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self._begin(
            out_channels,
            bias,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            padding_mode=padding_mode,
            device=device,
            dtype=dtype,
        )


@enclose
class _LazyTransposed(_LazyConv):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self._begin(
            out_channels,
            bias,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            output_padding=output_padding,
            groups=groups,
            dilation=dilation,
            padding_mode=padding_mode,
            device=device,
            dtype=dtype,
        )


class LazyConv1d(_LazyForward, conv.Conv1d):
    """A ``Conv1d`` whose ``in_channels`` comes from the first input (``LazyConv1d``)."""

    cls_to_become = conv.Conv1d


class LazyConv2d(_LazyForward, conv.Conv2d):
    """A ``Conv2d`` whose ``in_channels`` comes from the first input (``LazyConv2d``)."""

    cls_to_become = conv.Conv2d


class LazyConv3d(_LazyForward, conv.Conv3d):
    """A ``Conv3d`` whose ``in_channels`` comes from the first input (``LazyConv3d``)."""

    cls_to_become = conv.Conv3d


class LazyConvTranspose1d(_LazyTransposed, conv.ConvTranspose1d):
    """A ``ConvTranspose1d`` whose ``in_channels`` comes from the first input."""

    cls_to_become = conv.ConvTranspose1d


class LazyConvTranspose2d(_LazyTransposed, conv.ConvTranspose2d):
    """A ``ConvTranspose2d`` whose ``in_channels`` comes from the first input."""

    cls_to_become = conv.ConvTranspose2d


class LazyConvTranspose3d(_LazyTransposed, conv.ConvTranspose3d):
    """A ``ConvTranspose3d`` whose ``in_channels`` comes from the first input."""

    cls_to_become = conv.ConvTranspose3d


@enclose
class _LazyNormBase(LazyModuleMixin):
    """The part that batch and instance norms share."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False)
        made = {"device": device, "dtype": dtype}
        me: Any = self
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            me.weight = UninitializedParameter(**made)
        if affine and bias:
            me.bias = UninitializedParameter(**made)
        if track_running_stats:
            me.running_mean = UninitializedBuffer(**made)
            me.running_var = UninitializedBuffer(**made)
            me.num_batches_tracked = batchnorm.creation.tensor(0, device=device)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0 and no statistics, if there are any yet."""
        me: Any = super()
        if not self.has_uninitialized_params() and self.num_features != 0:
            me.reset_parameters()

    num_features: int

    def initialize_parameters(self, input: Tensor) -> None:  # type: ignore[override]
        """Take the channels from the input."""
        me: Any = self
        if self.has_uninitialized_params():
            me.num_features = input.shape[1]
            for name in ("weight", "bias", "running_mean", "running_var"):
                value = getattr(me, name)
                if value is not None:
                    value.materialize((me.num_features,))
            self.reset_parameters()
        elif self.num_features == 0:
            me.num_features = input.shape[1]


class LazyBatchNorm1d(_LazyNormBase, batchnorm.BatchNorm1d):
    """A ``BatchNorm1d`` whose ``num_features`` comes from the first input."""

    cls_to_become = batchnorm.BatchNorm1d


class LazyBatchNorm2d(_LazyNormBase, batchnorm.BatchNorm2d):
    """A ``BatchNorm2d`` whose ``num_features`` comes from the first input."""

    cls_to_become = batchnorm.BatchNorm2d


class LazyBatchNorm3d(_LazyNormBase, batchnorm.BatchNorm3d):
    """A ``BatchNorm3d`` whose ``num_features`` comes from the first input."""

    cls_to_become = batchnorm.BatchNorm3d


class LazyInstanceNorm1d(_LazyNormBase, instancenorm.InstanceNorm1d):
    """An ``InstanceNorm1d`` whose ``num_features`` comes from the first input."""

    cls_to_become = instancenorm.InstanceNorm1d


class LazyInstanceNorm2d(_LazyNormBase, instancenorm.InstanceNorm2d):
    """An ``InstanceNorm2d`` whose ``num_features`` comes from the first input."""

    cls_to_become = instancenorm.InstanceNorm2d


class LazyInstanceNorm3d(_LazyNormBase, instancenorm.InstanceNorm3d):
    """An ``InstanceNorm3d`` whose ``num_features`` comes from the first input."""

    cls_to_become = instancenorm.InstanceNorm3d
