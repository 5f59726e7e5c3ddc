"""records: values as the messages of TensorBoard's files."""

from __future__ import annotations

import io
import wave
from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf import struct_pb2
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.plugins.pr_curve.plugin_data_pb2 import PrCurvePluginData
from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData

import anadrome
from anadrome import Tensor

#: Most thresholds of a precision-recall curve that TensorBoard shows.
_THRESHOLDS = 127


def array(value: Any) -> Any:
    """A Tensor, array or number as NumPy's array."""
    if isinstance(value, Tensor):
        value = value.detach().cpu()
        return (value.half() if value.dtype is anadrome.bfloat16 else value).numpy()
    if isinstance(value, np.ndarray):
        return value
    if np.isscalar(value):
        return np.array([value])
    kind = type(value).__name__
    raise NotImplementedError(f"Got {kind}, but numpy array or torch tensor are expected.")


def _shown_by(plugin: str, content: Any = None) -> SummaryMetadata:
    """Which of TensorBoard's own plugins shows a value."""
    data: dict[str, Any] = {"plugin_name": plugin}
    if content is not None:
        data["content"] = content.SerializeToString()
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(**data))


def _shape(*sizes: int) -> TensorShapeProto:
    return TensorShapeProto(dim=[TensorShapeProto.Dim(size=n) for n in sizes])


def _one(tag: str, **value: Any) -> Summary:
    return Summary(value=[Summary.Value(tag=tag, **value)])


def scalar(tag: str, value: Any, tensor: bool = False, double: bool = False) -> Summary:
    """A number; `tensor`: in the newer form, which may be of double precision."""
    number = array(value).squeeze()
    if number.ndim:
        raise AssertionError(
            f"add_scalar({tag!r}): expected one number, got a shape of {list(number.shape)}"
        )
    if not tensor:
        return _one(tag, simple_value=float(number))
    name, kind = ("double_val", "DT_DOUBLE") if double else ("float_val", "DT_FLOAT")
    proto = TensorProto(dtype=kind, **{name: [float(number)]})
    return _one(tag, tensor=proto, metadata=_shown_by("scalars"))


def text(tag: str, value: str) -> Summary:
    """A text, which is shown as Markdown."""
    proto = TensorProto(dtype="DT_STRING", string_val=[value.encode()], tensor_shape=_shape(1))
    shown = _shown_by("text", TextPluginData(version=0))
    return _one(f"{tag}/text_summary", metadata=shown, tensor=proto)


def histogram(tag: str, value: Any, bins: Any, max_bins: int | None) -> Summary:
    """How often values fall into each bin, without the empty bins at both ends."""
    values = array(value).astype(float).reshape(-1)
    if not values.size:
        raise ValueError("The input has no element.")
    counts, limits = np.histogram(values, bins=bins)
    if max_bins is not None and len(counts) > max_bins:
        counts, limits = _coarser(counts, limits, len(counts) // max_bins)
    filled = np.flatnonzero(counts)
    if not filled.size:
        raise ValueError(f"add_histogram({tag!r}): no value is within the bins")
    first, last = int(filled[0]), int(filled[-1]) + 1
    before = counts[first - 1 : first] if first else [0]  # an empty bin below the first one
    return histogram_raw(
        tag, values.min(), values.max(), len(values), values.sum(), values.dot(values),
        limits[first : last + 1].tolist(), [*map(int, before), *counts[first:last].tolist()],
    )  # fmt: skip


def _coarser(counts: Any, limits: Any, every: int) -> tuple[Any, Any]:
    """Bins of `every` neighbours each."""
    short = len(counts) % every
    padded = np.pad(counts, (0, every - short if short else 0))
    return padded.reshape(-1, every).sum(-1), np.append(limits[:-1:every], limits[-1])


def histogram_raw(
    tag: str, min: float, max: float, num: float, sum: float, sum_squares: float, limits: Any,
    counts: Any,
) -> Summary:  # fmt: skip
    """A histogram that was counted elsewhere."""
    proto = HistogramProto(
        min=min, max=max, num=num, sum=sum, sum_squares=sum_squares, bucket_limit=limits,
        bucket=counts,
    )  # fmt: skip
    return _one(tag, histo=proto)


def audio(tag: str, value: Any, rate: int) -> Summary:
    """A sound of one channel, between -1 and 1, as 16-bit PCM."""
    sound = array(value).squeeze()
    if sound.ndim != 1:
        raise AssertionError("input tensor should be 1 dimensional.")
    samples = (sound.clip(-1, 1) * np.iinfo(np.int16).max).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.tobytes())
    proto = Summary.Audio(
        sample_rate=rate, num_channels=1, length_frames=len(samples),
        encoded_audio_string=file.getvalue(), content_type="audio/wav",
    )  # fmt: skip
    return _one(tag, audio=proto)


def pr_curve(tag: str, labels: Any, predictions: Any, thresholds: int, weights: Any) -> Summary:
    """Precision and recall at evenly spread thresholds of predictions between 0 and 1."""
    thresholds = min(thresholds, _THRESHOLDS)
    bins = np.int32(np.floor(array(predictions) * (thresholds - 1)))
    truth = array(labels).astype(float)
    weight = 1.0 if weights is None else array(weights)

    def at_least(of_each: Any) -> Any:
        found, _ = np.histogram(bins, thresholds, (0, thresholds - 1), weights=of_each)
        return np.cumsum(found[::-1])[::-1]

    right, wrong = at_least(truth * weight), at_least((1.0 - truth) * weight)
    none = wrong[0] - wrong
    missed = right[0] - right
    precision = right / np.maximum(1e-7, right + wrong)
    recall = right / np.maximum(1e-7, right + missed)
    return pr_curve_raw(tag, (right, wrong, none, missed, precision, recall), thresholds)


def pr_curve_raw(tag: str, rows: Any, thresholds: int) -> Summary:
    """A curve that was counted elsewhere: true and false positives, negatives; the two shares."""
    data = np.stack([array(row) for row in rows])
    proto = TensorProto(
        dtype="DT_FLOAT", float_val=data.reshape(-1).tolist(), tensor_shape=_shape(*data.shape)
    )
    content = PrCurvePluginData(version=0, num_thresholds=min(thresholds, _THRESHOLDS))
    return _one(tag, metadata=_shown_by("pr_curves", content), tensor=proto)


def custom_scalars(layout: Mapping[str, Mapping[str, Any]]) -> Summary:
    """Which scalars share a chart: `{category: {title: ["Multiline" or "Margin", tags]}}`."""
    categories = []
    for category, charts in layout.items():
        made = []
        for title, (kind, tags) in charts.items():
            if kind != "Margin":
                lines = layout_pb2.MultilineChartContent(tag=tags)
                made.append(layout_pb2.Chart(title=title, multiline=lines))
                continue
            if len(tags) != 3:
                raise AssertionError(f"a margin chart has 3 tags: value, lower, upper; got {tags}")
            series = layout_pb2.MarginChartContent.Series(
                value=tags[0], lower=tags[1], upper=tags[2]
            )
            margin = layout_pb2.MarginChartContent(series=[series])
            made.append(layout_pb2.Chart(title=title, margin=margin))
        categories.append(layout_pb2.Category(title=category, chart=made))
    written = layout_pb2.Layout(category=categories).SerializeToString()
    proto = TensorProto(dtype="DT_STRING", string_val=[written], tensor_shape=_shape())
    return _one("custom_scalars__config__", tensor=proto, metadata=_shown_by("custom_scalars"))


#: The field and the name of its type for each kind of hyperparameter; `True` is a number too.
_KINDS: tuple[tuple[Any, str, str], ...] = (
    ((int, float), "number_value", "DATA_TYPE_FLOAT64"),
    (str, "string_value", "DATA_TYPE_STRING"),
)


def hparams(values: Any, metrics: Any, choices: Any) -> list[Summary]:
    """A run's hyperparameters and the names of its results, as its start and its end."""
    choices = choices or {}
    for given in (values, metrics, choices):
        if not isinstance(given, dict):
            raise TypeError(f"add_hparams() takes dictionaries, not {type(given).__name__}")
    for name, allowed in choices.items():
        kind = type(values.get(name))
        if not isinstance(allowed, list) or not all(isinstance(a, kind) for a in allowed):
            raise TypeError(
                f"add_hparams(): hparam_domain_discrete[{name!r}] is a list of {kind.__name__}, "
                "as the value is"
            )
    start = plugin_data_pb2.SessionStartInfo()
    infos = []
    for name, value in values.items():
        if value is None:
            continue
        if isinstance(value, Tensor):
            value = array(value).reshape(-1)[0].item()
        field, type_name = _kind(name, value)
        setattr(start.hparams[name], field, value)
        domain = None
        if name in choices:
            listed = [struct_pb2.Value(**{field: choice}) for choice in choices[name]]
            domain = struct_pb2.ListValue(values=listed)
        number = api_pb2.DataType.Value(type_name)
        infos.append(api_pb2.HParamInfo(name=name, type=number, domain_discrete=domain))
    results = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=name)) for name in metrics]
    whole = api_pb2.Experiment(hparam_infos=infos, metric_infos=results)
    end = plugin_data_pb2.SessionEndInfo(status=api_pb2.Status.Value("STATUS_SUCCESS"))
    return [
        _of_hparams(metadata.EXPERIMENT_TAG, experiment=whole),
        _of_hparams(metadata.SESSION_START_INFO_TAG, session_start_info=start),
        _of_hparams(metadata.SESSION_END_INFO_TAG, session_end_info=end),
    ]


def _kind(name: str, value: Any) -> tuple[str, str]:
    for types, field, kind in _KINDS:
        if isinstance(value, types):
            return field, kind
    raise ValueError(
        f"add_hparams(): {name!r} should be one of int, float, str, bool, or torch.Tensor, not "
        f"{type(value).__name__}"
    )


def _of_hparams(tag: str, **content: Any) -> Summary:
    data = plugin_data_pb2.HParamsPluginData(version=metadata.PLUGIN_DATA_VERSION, **content)
    return _one(tag, metadata=_shown_by(metadata.PLUGIN_NAME, data))
