"""PyTorch's own inputs of every module, tried on both libraries with the same weights.

They are those of PyTorch's test suite (``torch.testing._internal``), which comes with it. ``Twin``
is one module of them in both libraries: built, loaded with the same state, called.
"""

from __future__ import annotations

import dataclasses
import warnings
from typing import Any

import numpy as np
import torch

import anadrome as ad

#: Whose results hang on random numbers, of which each library has its own.
DRAWN = ("nn.FractionalMaxPool2d", "nn.FractionalMaxPool3d")


def entries() -> list[Any]:
    """PyTorch's descriptions of the modules."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_modules import module_db
    # That import forbids the process to set flags; the programs of other tests do.
    torch.backends.flags_frozen.__globals__["__allow_nonbracketed_mutation_flag"] = True
    return list(module_db)


def inputs(info: Any, dtype: Any, training: bool, most: int) -> list[Any]:
    """Some of the inputs of a module, spread over all of them; a loss has up to a thousand."""
    torch.manual_seed(0)
    found = info.module_inputs_func(
        info, device="cpu", dtype=dtype, requires_grad=True, training=training
    )
    found = [given for given in found if given.forward_input is not None]
    step = -(-len(found) // most)
    return found[::step] if found else []


def ours(value: Any, leaves: list[tuple[Any, Any]] | None = None) -> Any:
    """An argument in our terms; the leaves that require a gradient are noted in pairs."""
    if isinstance(value, torch.Tensor):
        out = tensor(value)
        if value.requires_grad:
            out.requires_grad_()
            if leaves is not None:
                leaves.append((out, value))
        return out
    if isinstance(value, torch.nn.TransformerEncoderLayer):
        return _encoder_layer(value)
    if isinstance(value, (torch.dtype, torch.nn.LinearCrossEntropyOptions)) or callable(value):
        return _named(value)
    if isinstance(value, (list, tuple)):
        return type(value)(ours(v, leaves) for v in value)
    if isinstance(value, dict):
        return {k: ours(v, leaves) for k, v in value.items()}
    return value


def tensor(value: Any) -> Any:
    """The same numbers here; outside the graph."""
    kind = getattr(ad, str(value.dtype).removeprefix("torch."))
    host = value.detach().resolve_conj()
    if value.dtype is torch.bfloat16:
        return ad.tensor(host.float().numpy()).to(kind)
    return ad.tensor(host.numpy().copy(), dtype=kind)


def _named(value: Any) -> Any:
    """What goes by a name: a dtype, a function."""
    if isinstance(value, torch.dtype):
        return getattr(ad, str(value).removeprefix("torch."))
    if isinstance(value, torch.nn.LinearCrossEntropyOptions):
        return ad.nn.LinearCrossEntropyOptions(**ours(dataclasses.asdict(value)))
    return getattr(ad.nn.functional, value.__name__)


def _encoder_layer(layer: Any) -> Any:
    made = ad.nn.TransformerEncoderLayer(
        layer.self_attn.embed_dim, layer.self_attn.num_heads, layer.linear1.out_features,
        layer.dropout.p, _named(layer.activation), layer.norm1.eps, layer.self_attn.batch_first,
        layer.norm_first, layer.linear1.bias is not None,
    )  # fmt: skip
    load(made, layer)
    return made


def load(mine: Any, theirs: Any) -> None:
    """Give our module the state of PyTorch's."""
    mine.load_state_dict({k: tensor(v) for k, v in theirs.state_dict().items()})


class Twin:
    """One module with one set of inputs, in both libraries."""

    def __init__(
        self, info: Any, given: Any, training: bool, dtype: Any, *, cast: Any = None
    ) -> None:
        """``dtype``: that of the inputs. ``cast``: module and inputs are brought to it after."""
        made = given.constructor_input
        self.told = f"{info.name}(*{made.args}, **{made.kwargs}) {training=} {given.desc} {cast}"
        kind = cast or dtype
        self.theirs = info.module_cls(*made.args, **made.kwargs).to(kind)
        cls = getattr(ad.nn, info.module_cls.__name__)
        self.mine = cls(*ours(made.args), **ours(made.kwargs)).to(_named(kind))
        self.mine.train(training)
        self.theirs.train(training)
        self.args = changed(given.forward_input.args, lambda x: _cast(x, cast))
        self.kwargs = changed(given.forward_input.kwargs, lambda x: _cast(x, cast))
        if info.is_lazy:
            with torch.no_grad():
                self.theirs(*self.args, **self.kwargs)
            with ad.no_grad():
                self.mine(*ours(self.args), **ours(self.kwargs))
            assert type(self.mine).__name__ == type(self.theirs).__name__
        load(self.mine, self.theirs)

    def call(self, change: Any = None) -> tuple[Any, Any, list[Any]]:
        """The outputs of both, and the pairs of leaves that they were made of.

        ``change``: what is done to each Tensor of either library before.
        """
        args, kwargs = (changed(given, _leaf) for given in (self.args, self.kwargs))
        leaves: list[tuple[Any, Any]] = []
        my_args, my_kwargs = ours(args, leaves), ours(kwargs, leaves)
        if change is not None:
            args, kwargs, my_args, my_kwargs = (
                changed(g, change) for g in (args, kwargs, my_args, my_kwargs)
            )
        wanted = self.theirs(*args, **kwargs)
        found = self.mine(*my_args, **my_kwargs)
        named = dict(self.mine.named_parameters())
        leaves += [(named[n], p) for n, p in self.theirs.named_parameters() if p.requires_grad]
        return found, wanted, leaves

    def both(self, change: Any) -> tuple[Any, Any]:
        """What each gives, or raises, for changed inputs."""
        given = [changed(g, lambda x: change(x.detach())) for g in (self.args, self.kwargs)]
        return tuple(
            _attempt(module, *pair)
            for module, pair in ((self.mine, ours(given)), (self.theirs, given))
        )

    def same_state(self) -> None:
        """Names, shapes, dtypes and values of the state; names in the order of PyTorch's."""
        found, wanted = self.mine.state_dict(), self.theirs.state_dict()
        assert list(found) == list(wanted), self.told
        for name in wanted:
            same(found[name], wanted[name], f"{name} of {self.told}")

    def same_text(self) -> None:
        """The same representation."""
        assert repr(self.mine).replace("anadrome", "torch") == repr(self.theirs), self.told


def _attempt(module: Any, args: Any, kwargs: Any) -> Any:
    try:
        return module(*args, **kwargs)
    except Exception as error:
        return error


def _leaf(value: Any) -> Any:
    return value.detach().clone().requires_grad_(value.requires_grad)


def _cast(value: Any, kind: Any) -> Any:
    if kind is None or not value.is_floating_point():
        return value
    return value.detach().to(kind).requires_grad_(value.requires_grad)


def changed(value: Any, change: Any) -> Any:
    """The same arguments with ``change`` done to each Tensor, in whatever structure."""
    if isinstance(value, (torch.Tensor, ad.Tensor)):
        return change(value)
    if isinstance(value, (list, tuple)):
        return type(value)(changed(v, change) for v in value)
    if isinstance(value, dict):
        return {k: changed(v, change) for k, v in value.items()}
    return value


def flat(value: Any) -> list[Any]:
    """The tensors of a result."""
    if isinstance(value, (tuple, list)):
        return [v for part in value for v in flat(part)]
    return [] if value is None else [value]


def host(value: Any) -> Any:
    """The numbers of a Tensor of either library, half precision as float32."""
    value = value.detach()
    if "float16" in str(value.dtype):
        value = value.float()
    return np.asarray(value.numpy(force=True))


def same(found: Any, wanted: Any, told: str, tolerance: float | None = None) -> None:
    """Equal but for rounding: type, shape, numbers."""
    if tolerance is None:
        tolerance = {8: 1e-9, 4: 2e-5, 2: 1e-2, 1: 0}[wanted.dtype.itemsize]
    kinds = str(found.dtype).split(".")[-1], str(wanted.dtype).split(".")[-1]
    assert kinds[0] == kinds[1], f"{told}: {kinds}"
    assert tuple(found.shape) == tuple(wanted.shape), f"{told}: {found.shape} {wanted.shape}"
    f, w = host(found), host(wanted)
    np.testing.assert_allclose(f, w, rtol=tolerance, atol=tolerance, err_msg=told)


def same_outputs(found: Any, wanted: Any, told: str, tolerance: float | None = None) -> None:
    """Equal results of whatever structure."""
    assert (found is None) == (wanted is None), told
    if isinstance(wanted, (tuple, list)):
        assert len(found) == len(wanted), told
        for f, w in zip(found, wanted):
            same_outputs(f, w, told, tolerance)
    elif wanted is not None:
        same(found, wanted, told, tolerance)


def gradients(found: Any, wanted: Any, leaves: Any, told: str, second: bool) -> int:
    """Compare the gradients, and the gradients of those; returns how many were compared."""
    pairs = [(f, w) for f, w in zip(flat(found), flat(wanted)) if w.requires_grad]
    if not pairs or not leaves:
        return 0
    rng = np.random.default_rng(0)
    seeds = [np.asarray(rng.standard_normal(tuple(w.shape))) for _, w in pairs]
    mine, theirs = [m for m, _ in leaves], [t for _, t in leaves]
    first = torch.autograd.grad(
        [w for _, w in pairs], theirs, [torch.tensor(s).to(w) for s, (_, w) in zip(seeds, pairs)],
        create_graph=second, allow_unused=True,
    )  # fmt: skip
    ourfirst = ad.autograd.grad(
        [f for f, _ in pairs], mine, [ad.tensor(s).to(f) for s, (f, _) in zip(seeds, pairs)],
        create_graph=second, allow_unused=True,
    )  # fmt: skip
    count = sum(_same_or_none(f, w, f"gradient of {told}") for f, w in zip(ourfirst, first))
    ends = [(f, w) for f, w in zip(ourfirst, first) if w is not None and w.requires_grad]
    if not second or not ends:
        return count
    try:
        wanted = torch.autograd.grad(sum((w * w).sum() for _, w in ends), theirs, allow_unused=True)
    except RuntimeError:  # PyTorch has not written it
        return count
    total: Any = sum((f * f).sum() for f, _ in ends if f is not None)
    oursecond = [None] * len(mine)
    if getattr(total, "requires_grad", False):
        oursecond = ad.autograd.grad(total, mine, allow_unused=True)
    for f, w in zip(oursecond, wanted):
        count += _same_or_none(f, w, f"second gradient of {told}", 1e-7)
    return count


def _same_or_none(found: Any, wanted: Any, told: str, tolerance: float | None = None) -> int:
    if found is None or wanted is None:  # None and zero are the same news
        other = wanted if found is None else found
        assert other is None or not bool((other != 0).any()), told
        return 0
    same(found, wanted, told, tolerance)
    return 1


def twins(info: Any, dtype: Any, most: int, *, cast: Any = None) -> Any:
    """The twins of one module, in training and, where that differs, in evaluation."""
    for training in (True, False) if info.train_and_eval_differ else (True,):
        for given in inputs(info, dtype, training, most):
            yield Twin(info, given, training, dtype, cast=cast)
