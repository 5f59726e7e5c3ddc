"""oracle: what came of a call, and whether that is allowed.

Allowed: it works; it raises by a ``raise`` statement of ours; Python refuses the arguments of a
public function; there is no memory for what huge numbers asked for. Anything else is a finding: an
exception that Python or an array library raised inside ours, an ``assert``, a result without a
gradient where the same function of good arguments gives one, more time than there is, the end of
the process.
"""

from __future__ import annotations

import contextlib
import contextvars
import dis
import io
import os
import re
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

import anadrome as ad

from . import draws, samples
from .draws import Drawn
from .surface import Target

WORKED = "worked"
REFUSED = "refused"  # an error of ours
BINDING = "not bound"  # Python's own error: wrong number or names of arguments
NO_MEMORY = "no memory"  # huge numbers asked for it
LEAKED = "leaked"  # an exception of Python's or an array library's from inside
DETACHED = "detached"
WRONG = "wrong result"
HUNG = "hung"
CRASHED = "crashed"
NONE_LEFT = "none left"  # a sweep of this callable is at its end
FINDINGS = (LEAKED, DETACHED, WRONG, HUNG, CRASHED)

#: What a call may take; more where other work slows it down.
SECONDS = float(os.environ.get("ANADROME_FUZZ_SECONDS", "5"))
#: How often a call gets the same time again that has hardly computed: others had the machine.
WAITS = 3
_HERE = os.path.dirname(os.path.abspath(__file__))
_ROOT = os.path.dirname(os.path.dirname(_HERE))
_OURS = tuple(
    os.path.join(os.path.dirname(os.path.realpath(m)), "")
    for m in {str(ad.__file__), *(os.path.join(_ROOT, f, "x") for f in ("backends", "plugins"))}
)
#: Python's own words for arguments that do not fit a function.
_UNBOUND = re.compile(r"\(\) (takes|missing|got (an unexpected|multiple|some))|takes no arguments")

#: Functions of ``pools``, when they are called with what they do not take.
_OF_CALLER = re.compile(r"(\S*<lambda>|double|nothing)\(\)")
_CONVERSIONS = ("__int__", "__float__", "__complex__", "__index__")
#: Flags of code objects that gather arguments.
_GATHERS = 0x04 | 0x08


class TooLong(BaseException):
    """Raised by the alarm."""


class Outcome(NamedTuple):
    """``where`` and ``text`` tell a finding apart from others."""

    kind: str
    where: str = ""
    text: str = ""


def judged(error: BaseException, drawn: Drawn) -> Outcome:
    """Whether an exception is one that a user may be given."""
    frame, offset = _innermost(error.__traceback__)
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, TooLong):
        return Outcome(HUNG, _place(error), "more time than there is")
    if isinstance(error, MemoryError) and _asks_for_much(drawn):
        return Outcome(NO_MEMORY)
    if frame is not None and frame.f_code.co_filename == "<docstring>":
        return Outcome(REFUSED, text=text)  # a function of the example
    if frame is None or frame.f_code.co_filename.startswith(_HERE):
        # Ours only by the call: Python could not bind the arguments, or a function of the caller's.
        if frame is not None and frame.f_code.co_filename.endswith("pools.py"):
            return Outcome(REFUSED, text=text)
        if isinstance(error, TypeError) and _UNBOUND.search(str(error)):
            return Outcome(BINDING, text=text)
        return Outcome(LEAKED, "the call itself", text)
    if isinstance(error, OSError) and error.filename is not None:
        return Outcome(REFUSED, text=text)
    code = frame.f_code
    if isinstance(error, TypeError) and _UNBOUND.search(str(error)):
        # A function that hands on whatever it is given, or calls one of the caller's.
        again = code.co_name == "answer"  # a call made again, by core/refusals.py
        hands_on = again or code.co_flags & _GATHERS or code.co_filename == contextlib.__file__
        if hands_on or _OF_CALLER.match(str(error)):
            return Outcome(BINDING, text=text)
    if code.co_name in _CONVERSIONS and isinstance(error, (OverflowError, ValueError, TypeError)):
        return Outcome(REFUSED, text=text)  # ``int(infinity)``, in Python's own words
    # An assertion with a text is PyTorch's class for some checks; a bare one is a mistake of ours.
    bare = isinstance(error, AssertionError) and not str(error)
    if code.co_filename.startswith(_OURS) and not bare:
        if dis.opname[code.co_code[offset]] in ("RAISE_VARARGS", "RERAISE"):
            return Outcome(REFUSED, text=text)
    return Outcome(LEAKED, _place(error), text)


def _innermost(tb: TracebackType | None) -> tuple[Any, int]:
    frame, offset = None, 0
    while tb is not None:
        frame, offset = tb.tb_frame, tb.tb_lasti
        tb = tb.tb_next
    return frame, offset


def _place(error: BaseException) -> str:
    """The innermost line of ours, by function."""
    for entry in reversed(traceback.extract_tb(error.__traceback__)):
        name = os.path.realpath(entry.filename)
        if name.startswith(_OURS):
            return f"{os.path.relpath(name, _ROOT)}:{entry.lineno} {entry.name}"
    return "outside"


def _asks_for_much(value: Any, depth: int = 0) -> bool:
    if isinstance(value, (bool, str)) or depth > 4:
        return False
    if isinstance(value, (int, float, np.integer)):
        return abs(value) >= 2**20
    if isinstance(value, dict):
        return any(_asks_for_much(v, depth + 1) for v in value.values())
    if isinstance(value, (tuple, list)):
        return any(_asks_for_much(v, depth + 1) for v in value)
    if isinstance(value, ad.Tensor):
        return (
            bool(value.numel())
            and not value.dtype.is_complex
            and bool((value.detach().to(ad.float64).abs() >= 2**20).any())
        )
    return False


def attempt(
    action: Callable[[], Any], drawn: Drawn, seconds: float = SECONDS
) -> tuple[Outcome, Any]:
    """Do it, in a context of its own and with a clock; the outcome, and what it returned."""
    used, left = time.process_time(), WAITS

    def alarm(*_: Any) -> None:
        nonlocal left
        if left == 0 or time.process_time() - used > 0.5 * seconds:
            raise TooLong
        left -= 1
        signal.setitimer(signal.ITIMER_REAL, seconds)

    before = signal.signal(signal.SIGALRM, alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                return Outcome(WORKED), contextvars.copy_context().run(action)
    except BaseException as error:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        return judged(error, drawn), None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def called(target: Target, drawn: Drawn) -> tuple[Outcome, Any]:
    """Call a target; what came of it, and what it returned."""
    outcome, result = attempt(lambda: target.value(*drawn.args, **drawn.keywords), drawn)
    if result is NotImplemented and target.path.startswith("Tensor.__"):
        return Outcome(REFUSED, text="NotImplemented, of which Python makes a TypeError"), result
    return outcome, result


def followed(target: Target, drawn: Drawn, outcome: Outcome, result: Any, rng: Any) -> Outcome:
    """Use what a call made, and go backward from it."""
    if outcome.kind != WORKED:
        return outcome
    if target.is_class:
        outcome = _used(result, drawn, rng)
        if outcome.kind in FINDINGS:
            return outcome
    outcome, lost = attempt(lambda: _detached(target, drawn, result), drawn)
    if outcome.kind in FINDINGS:
        return outcome._replace(text=f"in reading the result: {outcome.text}")
    if lost:
        return Outcome(DETACHED, target.path, lost)
    outcome, _ = attempt(lambda: _read(result), drawn)
    if outcome.kind in FINDINGS:
        return outcome._replace(text=f"in reading or backward: {outcome.text}")
    return Outcome(WORKED)


def _detached(target: Target, drawn: Drawn, result: Any) -> str:
    """Whether the result has lost the gradient of an argument that good calls give one to."""
    made = [t for t in tensors_of(result) if t.dtype.is_floating_point or t.dtype.is_complex]
    if target.is_class or not made or any(t.requires_grad for t in made):
        return ""
    if not ad.is_grad_enabled() or "out" in drawn.keywords:
        return ""
    for place, value in enumerate(drawn.args):
        if isinstance(value, ad.Tensor) and value.requires_grad:
            if place in samples.differentiable(target):
                return f"the gradient of argument {place} is lost"
    return ""


def _used(made: Any, drawn: Drawn, rng: Any) -> Outcome:
    """Call an object if it can be called, and one of its methods, with arguments drawn as well."""
    kinds = [c for c in type(made).__mro__ if c.__module__.startswith("anadrome")]
    names = sorted({n for c in kinds for n in vars(c) if n[0] != "_" and n not in _NOT_USED})
    chosen: list[Any] = []
    if isinstance(made, ad.nn.Module):
        chosen.append(("forward", made))
        names.remove("forward")
    if names:
        name = rng.choice(names)
        outcome, method = attempt(lambda: getattr(made, name), drawn)
        if outcome.kind in FINDINGS:
            return outcome
        if callable(method):
            chosen.append((name, method))
    for name, method in chosen:
        form = made.forward if name == "forward" and isinstance(made, ad.nn.Module) else method
        more = draws.spoil(form, *draws.by_names(form, rng), rng)
        both = Drawn([*drawn.args, *more.args], {**drawn.keywords, **more.keywords}, 0)
        outcome, result = attempt(lambda m=method, d=more: m(*d.args, **d.keywords), both)
        if outcome.kind in FINDINGS:
            return outcome._replace(text=f".{name}: {outcome.text}")
        if outcome.kind == WORKED:
            outcome, _ = attempt(lambda r=result: _read(r), both)
            if outcome.kind in FINDINGS:
                return outcome._replace(text=f".{name}, in backward: {outcome.text}")
    return Outcome(WORKED)


#: Methods that would change the process, and those that only the framework calls.
_NOT_USED = ("share_memory", "share_memory_", "compile", "change", "intercept", "forward_only",
             "takes", "taken", "detached", "touched", "serve", "stepped", "stepping",
             "live")  # fmt: skip


def tensors_of(value: Any, depth: int = 0) -> list[ad.Tensor]:
    """The Tensors in a result."""
    if isinstance(value, ad.Tensor):
        return [value]
    if isinstance(value, (tuple, list)) and depth < 4:
        return [t for v in value for t in tensors_of(v, depth + 1)]
    if isinstance(value, dict) and depth < 4:
        return [t for v in value.values() for t in tensors_of(v, depth + 1)]
    return []


def _read(result: Any) -> None:
    """What a user would do next: look at it, and go backward from it."""
    found = tensors_of(result)
    for t in found[:4]:
        if t.numel() <= 10**6:
            repr(t)
    total: Any = None
    for t in found[:4]:
        if t.requires_grad and t.numel() <= 10**6:
            one = t.abs().sum() if t.dtype.is_complex else t.sum()
            total = one if total is None else total + one
    if total is not None:
        total.backward()


def told(target: Target, drawn: Drawn) -> str:
    """The call, as a report shows it."""
    parts = [_short(a) for a in drawn.args]
    parts += [f"{k}={_short(v)}" for k, v in drawn.keywords.items()]
    return f"{target.path}({', '.join(parts)})"


def _short(value: Any, depth: int = 0) -> str:
    if isinstance(value, ad.Tensor):
        grad = ", requires_grad" if value.requires_grad else ""
        return f"<{value.dtype.name} {tuple(value.shape)}{grad}>"
    if isinstance(value, (list, tuple)):
        if depth > 3:
            return "[...]"
        return f"[{', '.join(_short(v, depth + 1) for v in value[:5])}]"
    try:
        return repr(value)[:60]
    except Exception as error:
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
