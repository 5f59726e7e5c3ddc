"""6. SGD, Adam and AdamW against their formulas, written out in plain Python floats.

Each optimizer is given the same thirty gradients as a function of a few lines beside it, with each
of its options in turn; the parameters must come out the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import anadrome as ad
from anadrome import optim

START = [0.5, -1.5, 2.0]
STEPS = 30

# One parameter's state between steps, by name.
State = dict[str, float]
Rule = Callable[..., float]


def gradients(step: int) -> list[float]:
    """Gradients that change size and sign from step to step."""
    return [math.sin(0.7 * step + i) * (1 + 0.5 * i) + 0.1 * i for i in range(len(START))]


def sgd(
    p: float,
    g: float,
    state: State,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    maximize: bool = False,
) -> float:
    """One number's step of SGD, as PyTorch defines it."""
    if maximize:
        g = -g
    g += weight_decay * p
    if momentum:
        if "velocity" in state:
            state["velocity"] = momentum * state["velocity"] + (1 - dampening) * g
        else:
            state["velocity"] = g  # the first gradient is taken whole
        g = g + momentum * state["velocity"] if nesterov else state["velocity"]
    return p - lr * g


def adam(
    p: float,
    g: float,
    state: State,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
    maximize: bool = False,
) -> float:
    """One number's step of Adam (Kingma and Ba 2015); weight decay joins the gradient."""
    if maximize:
        g = -g
    g += weight_decay * p
    beta1, beta2 = betas
    state["step"] = t = state.get("step", 0) + 1
    state["m"] = m = beta1 * state.get("m", 0.0) + (1 - beta1) * g
    state["v"] = v = beta2 * state.get("v", 0.0) + (1 - beta2) * g * g
    if amsgrad:  # the largest second moment so far: the step size never grows again
        state["v_max"] = v = max(state.get("v_max", 0.0), v)
    # Both averages start at zero; dividing takes that bias out.
    m_hat = m / (1 - beta1**t)
    v_hat = v / (1 - beta2**t)
    return p - lr * m_hat / (math.sqrt(v_hat) + eps)


def adamw(
    p: float, g: float, state: State, lr: float = 1e-3, weight_decay: float = 1e-2, **options: Any
) -> float:
    """AdamW (Loshchilov and Hutter 2019): the decay acts on the weight, past the averages."""
    return adam(p * (1 - lr * weight_decay), g, state, lr=lr, **options)


def run_rule(rule: Rule, **options: Any) -> list[float]:
    """The parameters after `STEPS` steps of the formula."""
    values = list(START)
    states: list[State] = [{} for _ in values]
    for step in range(STEPS):
        for i, g in enumerate(gradients(step)):
            values[i] = rule(values[i], g, states[i], **options)
    return values


def feed(optimizer: optim.Optimizer, parameter: ad.Tensor, steps: range) -> None:
    """Give the optimizer the gradients of `steps`."""
    for step in steps:
        parameter.grad = ad.tensor(gradients(step), dtype=ad.float64)
        optimizer.step()


def fresh_parameter() -> ad.Tensor:
    """The start, in float64 so that only a wrong formula can make a difference."""
    return ad.tensor(START, dtype=ad.float64, requires_grad=True)


def run_optimizer(make: Callable[..., optim.Optimizer], **options: Any) -> list[float]:
    """The parameters after `STEPS` steps of the optimizer."""
    parameter = fresh_parameter()
    feed(make([parameter], **options), parameter, range(STEPS))
    return parameter.tolist()


CASES: list[tuple[str, Callable[..., optim.Optimizer], Rule, dict[str, Any]]] = [
    ("SGD", optim.SGD, sgd, {"lr": 0.1}),
    ("SGD, weight decay", optim.SGD, sgd, {"lr": 0.1, "weight_decay": 0.1}),
    ("SGD, maximize", optim.SGD, sgd, {"lr": 0.1, "maximize": True}),
    ("SGD, momentum", optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9}),
    ("SGD, dampening", optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    ("SGD, Nesterov", optim.SGD, sgd, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    (
        "SGD, all together",
        optim.SGD,
        sgd,
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1, "maximize": True},
    ),
    ("Adam", optim.Adam, adam, {}),
    ("Adam, its numbers", optim.Adam, adam, {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3}),
    ("Adam, weight decay", optim.Adam, adam, {"lr": 0.1, "weight_decay": 0.1}),
    ("Adam, AMSGrad", optim.Adam, adam, {"lr": 0.1, "betas": (0.9, 0.7), "amsgrad": True}),
    ("Adam, maximize", optim.Adam, adam, {"lr": 0.1, "maximize": True}),
    ("AdamW", optim.AdamW, adamw, {}),
    ("AdamW, weight decay", optim.AdamW, adamw, {"lr": 0.1, "weight_decay": 0.3}),
    ("AdamW, AMSGrad", optim.AdamW, adamw, {"lr": 0.1, "betas": (0.9, 0.7), "amsgrad": True}),
    ("AdamW, maximize", optim.AdamW, adamw, {"lr": 0.1, "maximize": True}),
]


def compare_all() -> dict[str, float]:
    """Each case's largest difference between the optimizer and the formula."""
    print(f"after {STEPS} steps: the optimizer, and its largest difference from the formula")
    differences = {}
    for name, make, rule, options in CASES:
        found = run_optimizer(make, **options)
        expected = run_rule(rule, **options)
        difference = max(abs(a - b) for a, b in zip(found, expected, strict=True))
        differences[name] = difference
        print(f"   {name:20} {[round(value, 4) for value in found]!s:28} {difference:.1e}")
    return differences


def parameter_groups() -> dict[str, Any]:
    """Options given per group of parameters override the optimizer's own."""
    slow = fresh_parameter()
    fast = fresh_parameter()
    optimizer = optim.SGD([{"params": [slow]}, {"params": [fast], "lr": 0.1}], lr=0.01)
    late = fresh_parameter()
    optimizer.add_param_group({"params": [late], "lr": 1.0})
    for parameter in (slow, fast, late):
        parameter.grad = ad.ones(3, dtype=ad.float64)
    optimizer.step()
    moved = [round(START[0] - p[0].item(), 10) for p in (slow, fast, late)]
    print(f"parameter groups with lr 0.01, 0.1 and 1.0 moved by {moved}")

    # A schedule is nothing but a change of this number between steps.
    rates = [group["lr"] for group in optimizer.param_groups]
    try:
        optimizer.add_param_group({"params": [slow]})
        error = ""
    except ValueError as caught:
        error = str(caught)
    print(f"a parameter in two groups would be stepped twice: ValueError: {error}")
    return {"moved": moved, "rates": rates, "error": error}


def interrupted() -> dict[str, Any]:
    """Stop in the middle, save the state, and go on with a new optimizer."""
    expected = run_optimizer(optim.Adam, lr=0.1, amsgrad=True)
    parameter = fresh_parameter()
    first = optim.Adam([parameter], lr=0.1, amsgrad=True)
    feed(first, parameter, range(STEPS // 2))
    saved = first.state_dict()
    keys = sorted(saved["state"][0])

    resumed = parameter.detach().clone().requires_grad_()
    second = optim.Adam([resumed])  # lr and amsgrad come with the state
    second.load_state_dict(saved)
    feed(second, resumed, range(STEPS // 2, STEPS))
    same = resumed.tolist() == expected

    forgetful = parameter.detach().clone().requires_grad_()
    feed(optim.Adam([forgetful], lr=0.1, amsgrad=True), forgetful, range(STEPS // 2, STEPS))
    off = max(abs(a - b) for a, b in zip(forgetful.tolist(), expected, strict=True))
    print(f"state_dict() holds {keys} for each parameter")
    print(f"resumed from it, the same numbers as without the break: {same}")
    print(f"resumed without it, off by {off:.3f}")
    return {"keys": keys, "same": same, "off": off}


def main() -> dict[str, Any]:
    """Compare, then show groups and state."""
    return {
        "differences": compare_all(),
        "groups": parameter_groups(),
        "interrupted": interrupted(),
    }


if __name__ == "__main__":
    main()
