"""``save_on_cpu``: saved values in the host's memory."""

from __future__ import annotations

from typing import Any

from anadrome import Tensor
from anadrome.border import enclose

from .hooks import Elsewhere


@enclose
class save_on_cpu(Elsewhere):
    """What the forward saves inside is kept in the host's memory, and copied back for backward.

    For models whose activations do not fit the GPU's memory. What is on the CPU already stays as it
    is, and so do leaves that require a gradient, whose memory is in use anyway. Around
    ``checkpoint`` it keeps the inputs of the segments there. PyTorch:
    ``torch.autograd.graph.save_on_cpu``.

    ``pin_memory`` and ``device_type`` are accepted; the copies are plain ones.

    Raises RuntimeError in backward if a value was changed in place after it had been saved.

    >>> import anadrome as ad
    >>> x = ad.ones(3, requires_grad=True)
    >>> with ad.autograd.graph.save_on_cpu():
    ...     y = (x * 2).sin().exp()
    >>> y.sum().backward()
    """

    name = "save_on_cpu"

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__()
        if not isinstance(device_type, str):
            kind = type(device_type).__name__
            raise TypeError(f"save_on_cpu: device_type is a name such as 'cuda', not {kind}")
        self.pin_memory = pin_memory
        self.device_type = device_type

    def put(self, x: Tensor) -> Any:
        return None if x.device.type == "cpu" else (x.device, x.to("cpu"))

    def get(self, kept: Any) -> Tensor:
        device, x = kept
        return x.to(device)
