"""transformer: encoder and decoder of arXiv:1706.03762 (PyTorch: ``torch.nn.Transformer``)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ... import creation, modes
from ...sites import warn
from ...tensor import Tensor
from .. import functional as F
from .. import init
from .._multihead import canonical_mask
from .activation import GELU, ReLU
from .container import ModuleList
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .multihead import MultiheadAttention
from .normalization import LayerNorm

Activation = Callable[[Tensor], Tensor]


def _get_activation_fn(given: str | Activation) -> Activation:
    if not isinstance(given, str):
        return given
    if given not in ("relu", "gelu"):
        raise RuntimeError(f"activation should be relu/gelu, not {given}")
    return F.relu if given == "relu" else F.gelu


class _Layer(Module):
    """What encoder and decoder layers share: attention, the wide layer, norms and dropouts."""

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        made = {"device": device, "dtype": dtype}
        for name in self._attentions:
            setattr(self, name, MultiheadAttention(d_model, nhead, dropout=dropout, bias=bias,
                                                   batch_first=batch_first, **made))  # fmt: skip
        self.linear1 = Linear(d_model, dim_feedforward, bias=bias, **made)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias=bias, **made)
        self.norm_first = norm_first
        count = len(self._attentions) + 1
        for i in range(1, count + 1):
            norm = LayerNorm(d_model, eps=layer_norm_eps, bias=bias, **made)
            setattr(self, f"norm{i}", norm)
        for i in range(1, count + 1):
            setattr(self, f"dropout{i}", Dropout(dropout))
        self.activation = _get_activation_fn(activation)

    _attentions: tuple[str, ...] = ("self_attn",)

    def _added(self, x: Tensor, number: int, block: Callable[[Tensor], Tensor]) -> Tensor:
        """``x`` with a block added, normalised before it or after."""
        norm = getattr(self, f"norm{number}")
        return x + block(norm(x)) if self.norm_first else norm(x + block(x))

    # Programs derive layers that call these, or replace one.
    def _sa_block(
        self, x: Tensor, attn_mask: Any, key_padding_mask: Any, is_causal: bool = False
    ) -> Tensor:
        x = self.self_attn(
            x, x, x, attn_mask=attn_mask, key_padding_mask=key_padding_mask, need_weights=False,
            is_causal=is_causal,
        )[0]  # fmt: skip
        return self.dropout1(x)

    def _ff_block(self, x: Tensor) -> Tensor:
        x = self.linear2(self.dropout(self.activation(self.linear1(x))))
        return getattr(self, f"dropout{len(self._attentions) + 1}")(x)


class TransformerEncoderLayer(_Layer):
    """Self-attention and two linear layers (PyTorch: ``torch.nn.TransformerEncoderLayer``).

    ``src``: (S, N, d_model), (N, S, d_model) with ``batch_first``, or (S, d_model).
    ``norm_first``: normalise before each block. ``activation``: "relu", "gelu" or a function.
    Masks: see ``MultiheadAttention``.

    >>> import anadrome as ad
    >>> ad.nn.TransformerEncoderLayer(8, nhead=2, dim_feedforward=16)(ad.zeros(5, 2, 8)).shape
    anadrome.Size([5, 2, 8])
    """

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """The shape of ``src``."""
        padding = canonical_mask(
            src_key_padding_mask, "src_key_padding_mask", src, src_mask, "src_mask"
        )
        mask = canonical_mask(src_mask, "src_mask", src)
        if is_causal and mask is None and _takes_fast_path(self, src):
            warn("is_causal is a hint that the mask is causal; without a mask nothing is masked")
            is_causal = False

        def attend(x: Tensor) -> Tensor:
            return self._sa_block(x, mask, padding, is_causal=is_causal)

        return self._added(self._added(src, 1, attend), 2, self._ff_block)


class TransformerDecoderLayer(_Layer):
    """Self-attention, attention to ``memory``, two linear layers (``TransformerDecoderLayer``).

    ``tgt``: (T, N, d_model) and ``memory``: (S, N, d_model); layouts, options and masks as in
    ``TransformerEncoderLayer``.
    """

    _attentions = ("self_attn", "multihead_attn")

    def _mha_block(
        self, x: Tensor, mem: Tensor, attn_mask: Any, key_padding_mask: Any, is_causal: bool = False
    ) -> Tensor:
        x = self.multihead_attn(
            x, mem, mem, attn_mask=attn_mask, key_padding_mask=key_padding_mask,
            need_weights=False, is_causal=is_causal,
        )[0]  # fmt: skip
        return self.dropout2(x)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The shape of ``tgt``."""

        def attend(x: Tensor) -> Tensor:
            return self._sa_block(x, tgt_mask, tgt_key_padding_mask, tgt_is_causal)

        def look(x: Tensor) -> Tensor:
            return self._mha_block(
                x, memory, memory_mask, memory_key_padding_mask, memory_is_causal
            )

        x = self._added(self._added(tgt, 1, attend), 2, look)
        return self._added(x, 3, self._ff_block)


#: Layers that a stack may have: what has more is a mistake, and would fill the memory.
MOST_LAYERS = 100_000


def _get_clones(module: Module, count: int) -> ModuleList:
    if not 0 <= count <= MOST_LAYERS:
        raise ValueError(f"num_layers should be 0 to {MOST_LAYERS}, but it is {count}")
    return ModuleList([copy.deepcopy(module) for _ in range(count)])


class TransformerEncoder(Module):
    """Copies of an encoder layer, one after the other (PyTorch: ``torch.nn.TransformerEncoder``).

    ``enable_nested_tensor`` and ``mask_check`` are accepted. As in PyTorch, where they apply
    (evaluation, nothing to differentiate, a padding mask) the outputs at padding are zeros.
    """

    def __init__(
        self,
        encoder_layer: Module,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _get_clones(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.use_nested_tensor = enable_nested_tensor and _may_be_nested(encoder_layer)
        self.mask_check = mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """The shape of ``src``."""
        padding = canonical_mask(src_key_padding_mask, "src_key_padding_mask", src, mask, "mask")
        added = canonical_mask(mask, "mask", src)
        out = src
        for layer in self.layers:
            out = layer(
                out, src_mask=added, is_causal=bool(is_causal), src_key_padding_mask=padding
            )
        if padding is not None and mask is None and self._nested(src, padding):
            out = out.masked_fill((padding != 0).unsqueeze(-1), 0.0)
        return out if self.norm is None else self.norm(out)

    def _nested(self, src: Tensor, padding: Tensor) -> bool:
        """Whether PyTorch would drop the padding before the layers, and give zeros for it."""
        if not self.use_nested_tensor or not _is_inference(self.layers[0], src):
            return False
        hidden = (padding != 0).long()
        # All of a row's padding is at its end.
        return bool((hidden[:, 1:] >= hidden[:, :-1]).all())


def _is_inference(layer: Module, src: Tensor) -> bool:
    """Whether nothing of a batch is recorded, under no mode."""
    recorded = modes.is_grad_enabled() and any(t.requires_grad for t in (src, *layer.parameters()))
    return not (layer.training or src.ndim != 3 or modes.current().modes or recorded)


def _takes_fast_path(layer: Module, src: Tensor) -> bool:
    """Whether PyTorch computes the layer by its inference kernel, which knows no hint."""
    return _has_fast_path(layer) and _is_inference(layer, src)


def _may_be_nested(layer: Module) -> bool:
    kind = isinstance(layer, TransformerEncoderLayer)
    return kind and not layer.norm_first and _has_fast_path(layer)


def _has_fast_path(layer: Any) -> bool:
    attention = layer.self_attn
    known = layer.activation in (F.relu, F.gelu) or isinstance(layer.activation, (ReLU, GELU))
    return bool(
        attention.batch_first
        and attention._qkv_same_embed_dim
        and attention.in_proj_bias is not None
        and known
        and layer.norm1.eps == layer.norm2.eps
        and attention.num_heads % 2 == 0
    )


class TransformerDecoder(Module):
    """Copies of a decoder layer, one after the other (PyTorch: ``torch.nn.TransformerDecoder``)."""

    def __init__(self, decoder_layer: Module, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _get_clones(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The shape of ``tgt``."""
        out = tgt
        for layer in self.layers:
            out = layer(
                out,
                memory,
                tgt_mask=tgt_mask,
                memory_mask=memory_mask,
                tgt_key_padding_mask=tgt_key_padding_mask,
                memory_key_padding_mask=memory_key_padding_mask,
                tgt_is_causal=bool(tgt_is_causal),
                memory_is_causal=memory_is_causal,
            )
        return out if self.norm is None else self.norm(out)


class Transformer(Module):
    """Encoder and decoder (PyTorch: ``torch.nn.Transformer``).

    ``src``: (S, N, d_model), ``tgt``: (T, N, d_model), batches first with ``batch_first``; the
    result has the shape of ``tgt``. Masks: see ``MultiheadAttention``.

    >>> import anadrome as ad
    >>> model = ad.nn.Transformer(8, 2, 1, 1, 16)
    >>> mask = model.generate_square_subsequent_mask(3)
    >>> model(ad.zeros(5, 2, 8), ad.zeros(3, 2, 8), tgt_mask=mask).shape
    anadrome.Size([3, 2, 8])
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = F.relu,
        custom_encoder: Any = None,
        custom_decoder: Any = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        made = {"device": device, "dtype": dtype}
        options = (
            d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first,
            norm_first, bias,
        )  # fmt: skip
        for name, custom, layer, stack, count in (
            ("encoder", custom_encoder, TransformerEncoderLayer, TransformerEncoder,
             num_encoder_layers),
            ("decoder", custom_decoder, TransformerDecoderLayer, TransformerDecoder,
             num_decoder_layers),
        ):  # fmt: skip
            if custom is None:
                one = layer(*options, **made)
                custom = stack(one, count, LayerNorm(d_model, layer_norm_eps, bias=bias, **made))
            setattr(self, name, custom)
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def _reset_parameters(self) -> None:
        for p in self.parameters():
            if p.ndim > 1:
                init.xavier_uniform_(p)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """The shape of ``tgt``."""
        batch = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[batch] != tgt.shape[batch]:
            raise RuntimeError("the batch number of src and tgt must be equal")
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError("the feature number of src and tgt must be equal to d_model")
        memory = self.encoder(
            src, mask=src_mask, src_key_padding_mask=src_key_padding_mask, is_causal=src_is_causal
        )
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """(sz, sz): zeros where a position may look, minus infinity at what comes after it."""
        return creation.full((sz, sz), float("-inf"), device=device, dtype=dtype).triu(1)
