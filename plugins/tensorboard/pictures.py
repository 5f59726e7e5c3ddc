"""pictures: arrays of pixels, and figures, as PNG."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary

from .records import array


def image(tag: str, value: Any, dataformats: str) -> Summary:
    """A picture: bytes of 0 to 255, or other numbers of 0 to 1; `dataformats` names its dims."""
    pixels = array(value)
    size = 1 if pixels.dtype == np.uint8 else 255
    pixels = in_rows(pixels, dataformats).astype(np.float32) * size
    height, width, channels = pixels.shape
    proto = Summary.Image(
        height=height, width=width, colorspace=channels,
        encoded_image_string=png(pixels.clip(0, 255).astype(np.uint8)),
    )  # fmt: skip
    return Summary(value=[Summary.Value(tag=tag, image=proto)])


def png(pixels: Any) -> bytes:
    """Bytes of height, width and channels as a file."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format="PNG")
    return file.getvalue()


def in_rows(pixels: Any, dataformats: str) -> Any:
    """Height, width and channels out of the order that `dataformats` says ("CHW", "NHWC", "HW").

    Grey becomes three channels; several pictures are laid out in rows of 8.
    """
    names = dataformats.upper()
    wanted = {2: "HW", 3: "HWC", 4: "NHWC"}.get(len(names), "")
    if sorted(names) != sorted(wanted) or len(names) != pixels.ndim:
        raise AssertionError(
            f"dataformats {dataformats!r} does not say what the dims of a shape of "
            f"{list(pixels.shape)} are: each of N, C, H, W once, as in 'CHW', 'NCHW' or 'HW'"
        )
    pixels = pixels.transpose([names.index(dim) for dim in wanted])
    if len(names) == 2:
        pixels = pixels[..., None]
    if pixels.shape[-1] == 1:
        pixels = np.repeat(pixels, 3, axis=-1)
    return grid(pixels, 8) if pixels.ndim == 4 else pixels


def grid(pictures: Any, columns: int) -> Any:
    """Pictures beside and below each other, with black where none is left."""
    count, height, width, channels = pictures.shape
    if channels != 3:
        raise AssertionError(f"several pictures have 1 or 3 channels each, not {channels}")
    columns = min(count, columns)
    rows = -(-count // columns)
    out = np.zeros((rows * columns, height, width, channels), pictures.dtype)
    out[:count] = pictures
    out = out.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
    return out.reshape(rows * height, columns * width, channels)


def figure(value: Any, close: bool) -> Any:
    """Matplotlib's figure as an array of channels, height and width; several, stacked."""
    from matplotlib import pyplot
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    if isinstance(value, list):
        return np.stack([figure(one, close) for one in value])
    canvas = FigureCanvasAgg(value)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    if close:
        pyplot.close(value)
    return np.moveaxis(pixels, -1, 0)
