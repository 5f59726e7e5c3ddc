"""Loss scaling: gradients too small for float16 survive, steps that overflow are left out."""

from __future__ import annotations

import warnings
from typing import Any

import anadrome as ad
from anadrome import Tensor

from . import guard
from .autocasting import is_available
from .ops import unscale, update_scale

_NO_SCALE = (
    "This may indicate your script did not use scaler.scale(loss or outputs) earlier in the "
    "iteration."
)


class StepResult:
    """What became of ``scaler.step(optimizer)``; true if the step was taken.

    ``skipped``: whether it was left out because of an infinity or NaN among the gradients.
    ``value``: what ``optimizer.step()`` returned (PyTorch's ``scaler.step`` returns this alone);
    None if it was skipped.

    >>> import anadrome as ad
    >>> scaler = ad.amp.GradScaler("cpu", init_scale=4.0)
    >>> w = ad.ones(1, requires_grad=True)
    >>> optimizer = ad.optim.SGD([w], lr=0.1)
    >>> scaler.scale((w * float("inf")).sum()).backward()
    >>> scaler.step(optimizer).skipped
    True
    """

    __slots__ = ("skipped", "value")

    def __init__(self, skipped: bool, value: Any = None) -> None:
        self.skipped = skipped
        self.value = value

    def __bool__(self) -> bool:
        return not self.skipped

    def __repr__(self) -> str:
        return f"StepResult(skipped={self.skipped}, value={self.value!r})"


class _Progress:
    """What has happened to one optimizer since the last update: nothing, unscaled, stepped."""

    __slots__ = ("found_inf", "optimizer", "stage")

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer  # kept, so that its id stays its own
        self.stage = "ready"
        self.found_inf: dict[Any, Tensor] = {}


class GradScaler:
    """Scales the loss, and with it the gradients, up and down again (``torch.amp.GradScaler``).

    One iteration is::

        optimizer.zero_grad()
        with ad.autocast("cpu", dtype=ad.float16):
            loss = loss_of(model(x), y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)  # only to look at gradients, or to clip them
        scaler.step(optimizer)  # left out if a gradient is infinite or NaN
        scaler.update()  # scale * backoff_factor after such a one, * growth_factor after many good

    ``device``: where the scale is kept; ``"cuda"`` without a GPU disables the scaler, and warns.
    ``growth_interval``: how many good iterations in a row are followed by growth.
    ``enabled=False``: every method passes through.

    The scale is a Tensor of its own on the device, and gradients are unscaled and checked in one
    pass each, without waiting for a value; only ``step`` asks once whether to skip.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        self._device = device
        self._enabled = bool(enabled)
        if self._enabled and not is_available(device):
            warnings.warn(
                f"{type(self).__name__} is enabled, but {device.upper()} is not available.  "
                'Disabling. Write `GradScaler("cpu")` to scale on the CPU.',
                stacklevel=2 if type(self) is GradScaler else 3,
            )
            self._enabled = False
        if not growth_factor > 1.0:
            raise AssertionError(f"The growth factor must be > 1.0, not {growth_factor}.")
        if not backoff_factor < 1.0:
            raise AssertionError(f"The backoff factor must be < 1.0, not {backoff_factor}.")
        self._init_scale = float(init_scale)
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._init_growth_tracker = 0
        #: Both are made by the first `scale`, on the device of what it scales.
        self._scale: Tensor | None = None
        self._growth_tracker: Tensor | None = None
        self._progress: dict[int, _Progress] = {}

    # -- an iteration -------------------------------------------------------------------------
    def scale(self, outputs: Any) -> Any:
        """``outputs`` times the scale: a Tensor, or a list or tuple of them, nested as you like.

        Raises ValueError for anything else.
        """
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            scaled = ad.mul(outputs, self._scale_on(outputs.device))
            guard.note(scaled)
            return scaled
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(self.scale(o) for o in outputs)
        if hasattr(outputs, "__iter__") and not isinstance(outputs, (str, bytes)):
            return map(self.scale, outputs)
        raise ValueError(
            "outputs must be a Tensor or an iterable of Tensors, not "
            f"{type(outputs).__name__}; `.item()` makes a number of a loss, scale the loss itself"
        )

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of the optimizer's parameters by the scale, in place.

        Once an iteration and optimizer, after its last backward; ``step`` does it if you do not.
        Raises RuntimeError when it was done already, and ValueError for float16 gradients (keep
        the weights in float32 and run the model under autocast).
        """
        if not self._enabled:
            return
        scale = self._made("unscale_")[0]
        progress = self._of(optimizer)
        if progress.stage == "unscaled":
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if progress.stage == "stepped":
            raise RuntimeError("unscale_() is being called after step().")
        gradients = _gradients(optimizer)
        inverse = scale.double().reciprocal().float()
        inverses: dict[Any, Tensor] = {}
        with ad.no_grad():
            for g in gradients:
                place = str(g.device)
                if place not in inverses:
                    inverses[place] = inverse.to(g.device)
                    progress.found_inf[place] = ad.zeros((), dtype=ad.float32, device=g.device)
                unscale(g, progress.found_inf[place], inverses[place])
        progress.stage = "unscaled"

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> StepResult:
        """Unscale if that was not done, then ``optimizer.step(*args, **kwargs)`` unless a gradient
        is infinite or NaN.

        Returns a ``StepResult``, which is true if the step was taken. Raises RuntimeError for a
        closure, and for a second step before ``update()``; AssertionError if nothing was scaled or
        no parameter has a gradient.
        """
        if not self._enabled:
            return StepResult(False, optimizer.step(*args, **kwargs))
        if "closure" in kwargs or (args and callable(args[0])):
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._made("step")
        progress = self._of(optimizer)
        if progress.stage == "stepped":
            raise RuntimeError("step() has already been called since the last update().")
        if progress.stage == "ready":
            self.unscale_(optimizer)
        if not progress.found_inf:
            raise AssertionError(
                "No inf checks were recorded for this optimizer: none of its parameters has a "
                "gradient. Call scaler.scale(loss).backward() first."
            )
        skipped = any(found.item() for found in progress.found_inf.values())
        value = None if skipped else optimizer.step(*args, **kwargs)
        progress.stage = "stepped"
        return StepResult(skipped, value)

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """End the iteration: adjust the scale, or set it to ``new_scale``."""
        if not self._enabled:
            return
        scale, tracker = self._made("update")
        if new_scale is not None:
            scale.fill_(self._checked(new_scale))
        else:
            found = [f for p in self._progress.values() for f in p.found_inf.values()]
            if not found:
                raise AssertionError(
                    "No inf checks were recorded prior to update: call scaler.step(optimizer) "
                    "before scaler.update()."
                )
            together = found[0].to(scale.device)
            for f in found[1:]:
                together = together + f.to(scale.device)
            with ad.no_grad():
                update_scale(
                    scale,
                    tracker,
                    together,
                    growth_factor=self._growth_factor,
                    backoff_factor=self._backoff_factor,
                    growth_interval=self._growth_interval,
                )
        self._progress = {}

    # -- asking -------------------------------------------------------------------------------
    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def get_scale(self) -> float:
        """The scale as a number, 1.0 if disabled; waits for the device."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by after ``growth_interval`` good iterations."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set it."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by after an iteration with an infinity or NaN."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set it."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """How many good iterations in a row are followed by growth."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set it."""
        self._growth_interval = new_interval

    # -- keeping ------------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """The scale, the factors and how many good iterations there were; empty if disabled.

        Call it after ``update``.
        """
        if not self._enabled:
            return {}
        tracker = self._growth_tracker
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._init_growth_tracker if tracker is None else tracker.item(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from what ``state_dict`` returned (PyTorch's fits too); no-op if disabled.

        Raises RuntimeError for the empty one of a disabled scaler, KeyError if an entry is missing.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled "
                "instance of GradScaler."
            )
        self._init_scale = float(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._init_growth_tracker = int(state_dict["_growth_tracker"])
        self._scale = self._growth_tracker = None

    def __getstate__(self) -> dict[str, Any]:
        if self._progress:
            raise AssertionError(
                "A GradScaler instance may only be pickled at the beginning of an iteration, or at "
                "the end after scaler.update()."
            )
        state = dict(self.__dict__)
        if self._enabled:
            kept = self.state_dict()
            state["_init_scale"] = kept["scale"]
            state["_init_growth_tracker"] = kept["_growth_tracker"]
        state["_scale"] = state["_growth_tracker"] = None
        return state

    # -- inside -------------------------------------------------------------------------------
    def _scale_on(self, device: ad.device) -> Tensor:
        if self._scale is None:
            self._scale = ad.full((), self._init_scale, dtype=ad.float32, device=device)
            self._growth_tracker = ad.full(
                (), self._init_growth_tracker, dtype=ad.int32, device=device
            )
        # A copy: growth and backoff write into the scale, which a graph may still need.
        return self._scale.to(device=device, copy=True)

    def _made(self, method: str) -> tuple[Tensor, Tensor]:
        if self._scale is None or self._growth_tracker is None:
            raise AssertionError(f"Attempted {method} but _scale is None.  {_NO_SCALE}")
        return self._scale, self._growth_tracker

    def _of(self, optimizer: Any) -> _Progress:
        return self._progress.setdefault(id(optimizer), _Progress(optimizer))

    def _checked(self, new_scale: float | Tensor) -> float | Tensor:
        if not isinstance(new_scale, Tensor):
            return float(new_scale)
        if new_scale.numel() != 1 or new_scale.requires_grad:
            raise AssertionError(
                "new_scale should be a float or a Tensor of one element with requires_grad=False."
            )
        return new_scale.detach().reshape(()).to(device=self._made("update")[0].device)


class CudaGradScaler(GradScaler):
    """``GradScaler("cuda", ...)`` under its older name (PyTorch: ``torch.cuda.amp.GradScaler``)."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        super().__init__(
            "cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled
        )


class CpuGradScaler(GradScaler):
    """``GradScaler("cpu", ...)`` under its older name (PyTorch: ``torch.cpu.amp.GradScaler``)."""

    def __init__(
        self,
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        super().__init__("cpu", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


def _gradients(optimizer: Any) -> list[Tensor]:
    """The gradients there are, checked before the first of them is changed."""
    gradients = []
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            g = parameter.grad
            if g is None:
                continue
            if g.dtype is ad.float16:
                raise ValueError(
                    "Attempting to unscale FP16 gradients. Keep the weights in float32, and run "
                    "the model under autocast."
                )
            gradients.append(g)
    return gradients
