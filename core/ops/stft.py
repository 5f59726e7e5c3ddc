"""stft: the spectrum of a signal's pieces, and back."""

from __future__ import annotations

import math
from typing import Any

from .. import fft, sites
from ..composite import one
from ..refusals import refusing
from ..tensor import Tensor
from .complex import _view_as_complex, _view_as_real, is_complex


def _window(name: str, window: Any, win_length: int, n_fft: int, like: Tensor) -> Tensor:
    """The window, in the middle of ``n_fft`` values."""
    from ..creation import ones
    from ..nn.functional import pad

    if window is None:
        if name == "stft":
            sites.warn(
                "A window was not provided. A rectangular window will be applied, which is known "
                "to cause spectral leakage. Other windows such as hann_window are recommended",
            )
        window = ones(win_length, dtype=like.abs().dtype, device=like.device)
    elif window.ndim != 1 or window.shape[0] != win_length:
        raise RuntimeError(
            f"{name}: expected a 1D window tensor of size equal to win_length={win_length}, but "
            f"got window with size {list(window.shape)}"
        )
    left = (n_fft - win_length) // 2
    return pad(window, (left, n_fft - win_length - left)) if win_length < n_fft else window


def _lengths(name: str, n_fft: int, hop: Any, win: Any) -> tuple[int, int]:
    hop = n_fft // 4 if hop is None else hop
    win = n_fft if win is None else win
    if hop <= 0:
        raise RuntimeError(f"{name}: expected hop_length > 0, but got hop_length={hop}")
    if not 0 < win <= n_fft:
        raise RuntimeError(f"{name}: expected 0 < win_length <= n_fft, but got win_length={win}")
    return hop, win


@refusing
@one()
def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """The spectra of overlapping pieces of a signal (PyTorch: ``torch.stft``).

    ``input``: (T,) or (B, T). Returns (frequencies, pieces) or (B, frequencies, pieces); with
    ``return_complex=False`` the two parts along a further dimension. ``center``: pieces are centred
    at multiples of ``hop_length``, the signal being continued by ``pad_mode``.

    >>> import anadrome as ad
    >>> ad.stft(ad.ones(16), 8, window=ad.ones(8), return_complex=True).shape
    anadrome.Size([5, 9])
    """
    from ..nn.functional import pad

    if center and align_to_window is not None:
        raise RuntimeError("stft align_to_window should only be set when center = false")
    hop, win = _lengths("stft", n_fft, hop_length, win_length)
    if input.ndim not in (1, 2):
        raise RuntimeError(f"stft: expected a 1D or 2D tensor, not {input.ndim}D")
    whole = is_complex(input) or (window is not None and is_complex(window))
    if return_complex is None:
        if not whole:
            raise RuntimeError(
                "stft requires the return_complex parameter be given for real inputs, and will "
                "further require that return_complex=True in a future PyTorch release."
            )
        return_complex = True
    x = input if input.ndim == 2 else input.unsqueeze(0)
    if center:
        half = n_fft // 2
        x = pad(x.unsqueeze(1), (half, half), mode=pad_mode).squeeze(1)
    length = x.shape[1]
    if not 0 < n_fft <= length:
        raise RuntimeError(f"stft: expected 0 < n_fft < {length}, but got n_fft={n_fft}")
    shape = _window("stft", window, win, n_fft, input)
    pieces = x.unfold(-1, n_fft, hop) * shape
    onesided = not whole if onesided is None else onesided
    if onesided and whole:
        raise RuntimeError("Cannot have onesided output if window or input is complex")
    norm = "ortho" if normalized else None
    out = (fft.rfft if onesided else fft.fft)(pieces, norm=norm).mT
    out = out if input.ndim == 2 else out.squeeze(0)
    return out if return_complex else _view_as_real(out)


@refusing
def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The signal whose ``stft`` is nearest to ``input`` (PyTorch: ``torch.istft``).

    Griffin and Lim 1984, https://doi.org/10.1109/TASSP.1984.1164317. The arguments are those of
    the ``stft``; ``length``: of the signal, if known. Raises RuntimeError where the windows leave a
    gap.
    """
    from ..nn.functional import pad

    hop, win = _lengths("istft", n_fft, hop_length, win_length)
    spectra = input if is_complex(input) else _view_as_complex(input)
    if spectra.ndim not in (2, 3):
        raise RuntimeError(f"istft: expected a tensor with 2 or 3 dimensions, not {spectra.ndim}")
    onesided = spectra.shape[-2] != n_fft if onesided is None else onesided
    rows = n_fft // 2 + 1 if onesided else n_fft
    if spectra.shape[-2] != rows:
        raise RuntimeError(
            f"istft: expected the frequency dimension (3rd to the last) of the input tensor to "
            f"match n_fft{' / 2 + 1' if onesided else ''} when onesided={onesided}, but got "
            f"{spectra.shape[-2]}"
        )
    if return_complex and onesided:
        raise RuntimeError("cannot have onesided output if window or input is complex")
    z = spectra if spectra.ndim == 3 else spectra.unsqueeze(0)
    norm = "ortho" if normalized else None
    if return_complex:
        pieces = fft.ifft(z.mT, norm=norm)
    else:  # of a real signal half the spectrum says all
        pieces = fft.irfft(z.mT[..., : n_fft // 2 + 1], n=n_fft, norm=norm)
    shape = _window("istft", window, win, n_fft, pieces)
    signal = _overlapped(pieces * shape, hop)
    weight = _overlapped((shape * shape).expand((1, pieces.shape[1], n_fft)), hop)
    start = n_fft // 2 if center else 0
    total = signal.shape[-1]
    if length is not None:
        end = min(start + length, total)
    else:
        end = total - n_fft // 2 if center else total
    signal, weight = signal[:, start:end], weight[:, start:end]
    if not bool((weight.detach().abs() > 1e-11).all()):
        raise RuntimeError(
            "istft(...) window overlap add min: 1: the windows leave values that no piece covers; "
            "use a smaller hop_length or center=True"
        )
    out = signal / weight
    if length is not None and out.shape[-1] < length:
        sites.warn(
            "The length of signal is shorter than the length parameter. Result is being padded "
            "with zeros in the tail. Please check your center and hop_length settings",
        )
        out = pad(out, (0, length - out.shape[-1]))
    return out if spectra.ndim == 3 else out.squeeze(0)


def _overlapped(pieces: Tensor, hop: int) -> Tensor:
    """The sum of pieces (B, N, n), each ``hop`` after the one before: (B, n + hop (N - 1)).

    A piece is cut into parts of ``hop``; the k-th parts of all pieces lie side by side.
    """
    from ..nn.functional import pad

    batch, count, n = pieces.shape
    parts = math.ceil(n / hop)
    pieces = pad(pieces, (0, parts * hop - n)).reshape((batch, count, parts, hop))
    total = None
    for k in range(parts):
        row = pieces[:, :, k].reshape((batch, count * hop))
        row = pad(row, (k * hop, (parts - 1 - k) * hop))
        total = row if total is None else total + row
    return total[:, : n + hop * (count - 1)]  # type: ignore[index]
