"""Loss scaling: gradients too small for float16 survive, steps that overflow are left out."""

from __future__ import annotations

import weakref
from typing import Any

import anadrome as ad
from anadrome import Tensor, modes, sites
from anadrome.arriving import arriving

from . import guard
from .autocasting import is_available
from .gradients import all_scaled, any_found, unscaled
from .history import History
from .iteration import Iteration, OptState, Progress
from .ops import update_scale
from .result import StepResult
from .settings import Settings
from .summary import ScalerSummary
from .underflow import Underflow, shares

_NO_SCALE = (
    "This may indicate your script did not use scaler.scale(loss or outputs) earlier in the "
    "iteration."
)


#: When a backward is watched node by node: see ``GradScaler``.
_TRACKED = ("trial", "always", "never")


class GradScaler(Settings):
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

    And, not PyTorch's: ``model`` gives the parameters in reports their names. ``warn_after`` so
    many skipped iterations in a row (and twice, four times ... as many) a ``SkippedStepsWarning``
    gives advice; None: never. ``track_overflow``: which backwards are watched node by node, so that
    a skipped step can name the node. ``"trial"``: those with a scale that has not held yet: the
    first, one after each growth, and those after a skipped step until one is taken. ``"always"``,
    ``"never"``. Watching costs a pass over each gradient; the others cost nothing.

    The scale is a Tensor of its own on the device, and gradients are unscaled and checked in one
    pass, without waiting for a value. On a device that runs ahead of Python, ``SGD``, ``Adam`` and
    ``AdamW`` leave a step out by themselves, and nothing waits before the result is asked; with
    other optimizers, and with step hooks, ``step`` asks once whether to skip.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
        *,
        model: ad.nn.Module | None = None,
        warn_after: int | None = 16,
        track_overflow: str = "trial",
    ) -> None:
        self._device = device
        self._enabled = bool(enabled)
        if self._enabled and not is_available(device):
            sites.warn(
                f"{type(self).__name__} is enabled, but {device.upper()} is not available.  "
                'Disabling. Write `GradScaler("cpu")` to scale on the CPU.'
            )
            self._enabled = False
        super().__init__(growth_factor, backoff_factor, growth_interval)
        if track_overflow not in _TRACKED:
            raise ValueError(f"track_overflow is one of {_TRACKED}, not {track_overflow!r}")
        if warn_after is not None and warn_after < 1:
            raise ValueError(f"warn_after must be at least 1, or None, not {warn_after}")
        self._init_scale = float(init_scale)
        self._init_growth_tracker = 0
        #: Both are made by the first `scale`, on the device of what it scales.
        self._scale: Tensor | None = None
        self._growth_tracker: Tensor | None = None
        #: What gradients were last multiplied by to unscale them.
        self._inverse: Tensor | None = None
        self._model = None if model is None else weakref.ref(model)
        self._history = History(self._init_scale, warn_after, track_overflow)
        self._iteration = self._history.begin()

    # -- an iteration -------------------------------------------------------------------------
    def scale(self, outputs: Any) -> Any:
        """``outputs`` times the scale: a Tensor, or a list or tuple of them, nested as you like.

        Raises ValueError for anything else.
        """
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            scaled = ad.mul(outputs, self._scale_on(outputs.device))
            guard.note(scaled, self._now)
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
        if progress.stage is OptState.UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if progress.stage is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step(). " + _BROKEN)
        inverse = scale.double().reciprocal().float()
        progress.found_inf = unscaled(optimizer, inverse)
        progress.stage = OptState.UNSCALED
        if not _is_captured():
            self._inverse = inverse

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
        scale, tracker = self._made("step")
        progress = self._of(optimizer)
        if progress.stage is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update(). " + _BROKEN)
        if progress.stage is OptState.READY:
            self.unscale_(optimizer)
        if not progress.found_inf:
            raise AssertionError(
                "No inf checks were recorded for this optimizer: none of its parameters has a "
                "gradient. Call scaler.scale(loss).backward() first."
            )
        found_inf = progress.found_inf
        if getattr(optimizer, "skips_on_device", False) and not _is_captured():
            if self._history.good is None:
                self._history.ask(arriving(tracker.clone()))
            result = self._step_ahead(optimizer, found_inf, scale, args, kwargs)
        else:
            if any(found.any().item() for found in found_inf.values()):
                flags, names = found_inf.values(), self._names()
                result = StepResult.of_skipped(optimizer, self._iteration, flags, names, scale)
            else:
                result = StepResult(False, optimizer.step(*args, **kwargs))
            self._history.settle()
            if self._history.good is None:
                self._history.good = int(tracker.item())  # the device was asked just now anyway
        progress.stage = OptState.STEPPED
        progress.result = result
        return result

    def _step_ahead(
        self, optimizer: Any, found_inf: dict[str, Tensor], scale: Tensor, args: Any, kwargs: Any
    ) -> StepResult:
        """Take the step, which the optimizer leaves out on the device if a flag is set there."""
        flag = any_found(found_inf)
        outcome = arriving(flag)
        before = scale.clone()
        optimizer.found_inf = flag
        try:
            value = optimizer.step(*args, **kwargs)
        finally:
            optimizer.found_inf = None
        flags = found_inf.values()
        return StepResult.on_its_way(
            value, outcome, optimizer, self._iteration, flags, self._names, before
        )

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """End the iteration: adjust the scale, or set it to ``new_scale``."""
        if not self._enabled:
            return
        scale, tracker = self._made("update")
        if new_scale is not None:
            scale.fill_(self._checked(new_scale))
        else:
            found = [f for p in self._iteration.progress.values() for f in p.found_inf.values()]
            if not found:
                raise AssertionError(
                    "No inf checks were recorded prior to update: call scaler.step(optimizer) "
                    "before scaler.update()."
                )
            together = found[0].to(scale.device)
            if len(found) > 1:
                together = ad.cat([f.to(scale.device) for f in found])
            with ad.no_grad():
                update_scale(
                    scale,
                    tracker,
                    together,
                    growth_factor=self._growth_factor,
                    backoff_factor=self._backoff_factor,
                    growth_interval=self._growth_interval,
                )
        if _is_captured():  # a replay will not come here
            self._history.good = None
        else:
            is_set = new_scale is not None
            self._history.end(self._iteration, self._growth_interval, scale, is_set)
        self._iteration = self._history.begin()

    # -- asking -------------------------------------------------------------------------------
    def get_scale(self) -> float:
        """The scale as a number, 1.0 if disabled; waits for the device."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def summary(self, optimizer: Any = None) -> ScalerSummary:
        """Steps taken and skipped, the scale and its changes, the last overflow's parameters and
        node; with an optimizer also the ``underflow`` of its gradients. Waits for the device.

        >>> import anadrome as ad
        >>> w = ad.ones(1, requires_grad=True)
        >>> optimizer = ad.optim.SGD([("w", w)], lr=0.1)
        >>> scaler = ad.amp.GradScaler("cpu", init_scale=4.0)
        >>> scaler.scale((w * 3.0).sum()).backward()
        >>> _ = scaler.step(optimizer)
        >>> scaler.update()
        >>> print(scaler.summary())
        1 steps taken, 0 skipped (0 in a row now, 0 at most); the scale is 4
        """
        underflow = None if optimizer is None else self.underflow(optimizer)
        history = self._history
        history.settle()
        return ScalerSummary(
            history.taken,
            history.skipped,
            history.iterations,
            history.in_a_row,
            history.longest_row,
            self.get_scale(),
            history.changes(),
            history.last_skip,
            history.last_skip_iteration,
            underflow,
        )

    def underflow(self, optimizer: Any) -> dict[str, Underflow]:
        """What share of each gradient is zero or subnormal in float16, by parameter.

        An ``Underflow(zero, subnormal)``: the share of elements that are exactly zero, and of those
        that are not but were smaller than 2**-14 in magnitude when the backward computed them, with
        the scale in them. Zeros have other causes too (a ReLU, an embedding that was not looked
        up): ``zero`` bounds what was lost from above. Non-finite elements count as neither.
        Parameters without a gradient are left out. Call it after ``backward()``, and before the
        next ``zero_grad()``; it makes a pass over each gradient, and waits for the device once.

        >>> import anadrome as ad
        >>> w = ad.ones(4, requires_grad=True)
        >>> optimizer = ad.optim.SGD([("w", w)], lr=0.1)
        >>> scaler = ad.amp.GradScaler("cpu", init_scale=4.0)
        >>> scaler.scale((w * ad.tensor([0.0, 1e-5, 1e-4, 1.0])).sum()).backward()
        >>> scaler.underflow(optimizer)
        {'w': Underflow(zero=0.25, subnormal=0.25)}
        """
        now = self._iteration
        progress = now.progress.get(id(optimizer))
        is_ready = progress is None or progress.stage is OptState.READY

        def factor_of(p: Tensor) -> Tensor | None:
            return None if is_ready and id(p) in now.order else self._inverse

        return shares(optimizer, factor_of, self._names())

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
        self._history.settle()
        self._init_scale = float(state_dict["scale"])
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._init_growth_tracker = self._history.good = int(state_dict["_growth_tracker"])
        self._scale = self._growth_tracker = None
        self._iteration = self._history.begin()

    def __getstate__(self) -> dict[str, Any]:
        if self._iteration.progress:
            raise AssertionError(
                "A GradScaler instance may only be pickled at the beginning of an iteration, or at "
                "the end after scaler.update()."
            )
        state = dict(self.__dict__)
        if self._enabled:
            kept = self.state_dict()
            state["_init_scale"] = kept["scale"]
            state["_init_growth_tracker"] = kept["_growth_tracker"]
        state["_scale"] = state["_growth_tracker"] = state["_inverse"] = state["_model"] = None
        return state

    # -- inside -------------------------------------------------------------------------------
    def _scale_on(self, device: ad.device) -> Tensor:
        if self._scale is None:  # set last: both are there, or neither
            scale = ad.full((), self._init_scale, dtype=ad.float32, device=device)
            held = self._init_growth_tracker
            self._growth_tracker = ad.full((), held, dtype=ad.int32, device=device)
            self._scale = scale
        # A copy: growth and backoff write into the scale, which a graph may still need.
        return self._scale.to(device=device, copy=True)

    def _made(self, method: str) -> tuple[Tensor, Tensor]:
        if self._scale is None or self._growth_tracker is None:
            raise AssertionError(f"Attempted {method} but _scale is None.  {_NO_SCALE}")
        return self._scale, self._growth_tracker

    def _of(self, optimizer: Any) -> Progress:
        progress = self._iteration.of(optimizer)
        if progress.stage is OptState.UNSCALED and progress.found_inf and all_scaled(optimizer):
            progress.stage = OptState.READY  # an exception ended that iteration early
        return progress

    def _now(self) -> Iteration:
        return self._iteration

    def _names(self) -> dict[int, str]:
        """What the model calls its parameters, by id."""
        model = None if self._model is None else self._model()
        return {} if model is None else {id(p): name for name, p in model.named_parameters()}

    def _checked(self, new_scale: float | Tensor) -> float | Tensor:
        if not isinstance(new_scale, Tensor):
            return float(new_scale)
        if new_scale.numel() != 1 or new_scale.requires_grad:
            raise AssertionError(
                "new_scale should be a float or a Tensor of one element with requires_grad=False."
            )
        return new_scale.detach().reshape(()).to(device=self._made("update")[0].device)


def _is_captured() -> bool:
    """Whether a step is being recorded: then Python's own notes would be those of the recording."""
    return modes.tape.get() is not None


_BROKEN = "If an exception came in between, call scaler.update() first."
