"""instancenorm: normalisation of each sample and channel on its own."""

from __future__ import annotations

from typing import Any

from ... import sites
from ...tensor import Tensor
from .. import functional as F
from .._later import later
from .batchnorm import _NormBase


class _InstanceNorm(_NormBase):
    _spatial: int  # dimensions behind the channels

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def _check_input_dim(self, input: Tensor) -> None:
        without = self._spatial + 1
        if input.ndim not in (without, without + 1):
            raise ValueError(
                f"expected {without}D or {without + 1}D input (got {input.ndim}D input)"
            )

    def forward(self, input: Tensor) -> Tensor:
        """The input's shape; a missing batch dimension is allowed."""
        self._check_input_dim(input)
        single = input.ndim == self._spatial + 1
        dim = 0 if single else 1
        if input.shape[dim] != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim={dim} to match num_features "
                    f"({self.num_features}), but got: {input.shape[dim]}."
                )
            sites.warn(
                f"input's size at dim={dim} does not match num_features. You can silence this "
                "warning by not passing in num_features, which is not used because affine=False",
            )
        out = F.instance_norm(
            input.unsqueeze(0) if single else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0,
            self.eps,
        )
        return out.squeeze(0) if single else out

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Any,
        strict: bool,
        missing_keys: Any,
        unexpected_keys: Any,
        error_msgs: Any,
    ) -> None:
        if local_metadata.get("version") is None and not self.track_running_stats:
            keys = [prefix + name for name in ("running_mean", "running_var")]
            found = [key for key in keys if key in state_dict]
            if found:
                named = " and ".join(f'"{k}"' for k in found)
                error_msgs.append(
                    f"Unexpected running stats buffer(s) {named} for {type(self).__name__} with "
                    "track_running_stats=False. Remove these keys from state_dict, or set "
                    "track_running_stats=True"
                )
                for key in found:
                    state_dict.pop(key)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )


class InstanceNorm1d(_InstanceNorm):
    """Instance normalisation of (N, C, L) or (C, L) (PyTorch: ``torch.nn.InstanceNorm1d``).

    Paper: arXiv:1607.08022.
    """

    _spatial = 1


class InstanceNorm2d(_InstanceNorm):
    """Instance normalisation of (N, C, H, W) or (C, H, W) (``torch.nn.InstanceNorm2d``).

    Paper: arXiv:1607.08022.
    """

    _spatial = 2


class InstanceNorm3d(_InstanceNorm):
    """Instance normalisation of (N, C, D, H, W) or (C, D, H, W) (``torch.nn.InstanceNorm3d``).

    Paper: arXiv:1607.08022.
    """

    _spatial = 3


# PyTorch has these in this module too.
_, __getattr__, __dir__ = later(
    __name__,
    lazy="LazyInstanceNorm1d LazyInstanceNorm2d LazyInstanceNorm3d",
)
