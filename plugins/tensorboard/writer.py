"""writer: what a training calls to record (`SummaryWriter`)."""

from __future__ import annotations

import os
import socket
import time
from datetime import datetime
from typing import Any, NoReturn

try:
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig
    from tensorboard.summary.writer.event_file_writer import EventFileWriter
    from tensorboard.summary.writer.record_writer import RecordWriter
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"utils.tensorboard writes with the tensorboard package: pip install tensorboard ({error})",
        name=error.name,
    ) from None

from anadrome.border import enclose

from . import graphs, pictures, projector, records

__all__ = ["FileWriter", "RecordWriter", "SummaryWriter"]


class FileWriter:
    """Writes events into one file of a folder (PyTorch: `torch.utils.tensorboard.FileWriter`)."""

    def __init__(
        self, log_dir: Any, max_queue: int = 10, flush_secs: int = 120, filename_suffix: str = ""
    ) -> None:
        self.event_writer = EventFileWriter(str(log_dir), max_queue, flush_secs, filename_suffix)

    def get_logdir(self) -> str:
        """The folder."""
        return str(self.event_writer.get_logdir())

    def add_event(self, event: Event, step: Any = None, walltime: float | None = None) -> None:
        """Write an event, as of now unless `walltime` says when."""
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        self.event_writer.add_event(event)

    def add_summary(self, summary: Any, global_step: Any = None, walltime: Any = None) -> None:
        """Write values as one event."""
        self.add_event(Event(summary=summary), global_step, walltime)

    def flush(self) -> None:
        """Everything so far is in the file when this returns."""
        self.event_writer.flush()

    def close(self) -> None:
        """Write what is left, and close the file."""
        self.event_writer.close()

    def reopen(self) -> None:
        """Write on, into a new file, after `close`."""
        self.event_writer.reopen()


def _bins() -> list[float]:
    """Limits that grow by a tenth from 1e-12 to 1e20, on both sides of 0."""
    limits = []
    limit = 1e-12
    while limit < 1e20:
        limits.append(limit)
        limit *= 1.1
    return [*(-limit for limit in reversed(limits)), 0, *limits]


@enclose
class SummaryWriter:
    """Records a training for TensorBoard (PyTorch: `torch.utils.tensorboard.SummaryWriter`).

    `log_dir`: a folder; by default one of the time, the machine and `comment` below `runs`.
    `purge_step`: what another writer recorded from this step on is hidden. Values are Tensors,
    NumPy's arrays or numbers; each `add_…` takes `global_step` and, but for `add_hparams`,
    `walltime` in seconds. Close it, or use it in a `with`. Needs the `tensorboard` package;
    pictures need Pillow, figures Matplotlib.

    >>> import anadrome as ad, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with ad.utils.tensorboard.SummaryWriter(folder) as writer:
    ...         writer.add_scalar("loss", ad.tensor(0.5), global_step=1)
    """

    def __init__(
        self, log_dir: Any = None, comment: str = "", purge_step: int | None = None,
        max_queue: int = 10, flush_secs: int = 120, filename_suffix: str = "",
    ) -> None:  # fmt: skip
        if not log_dir:
            now = datetime.now().strftime("%b%d_%H-%M-%S")
            log_dir = os.path.join("runs", f"{now}_{socket.gethostname()}{comment}")
        self.log_dir = log_dir
        self.purge_step = purge_step
        self._options = (max_queue, flush_secs, filename_suffix)
        self.default_bins = _bins()
        self._projector_config = ProjectorConfig()
        self.file_writer: FileWriter | None = None
        self.all_writers: dict[str, FileWriter] | None = None
        self._get_file_writer()

    def _get_file_writer(self) -> FileWriter:
        """That of the folder itself; a new one after `close`."""
        if self.file_writer is None:
            self.file_writer = FileWriter(self.log_dir, *self._options)
            self.all_writers = {self.file_writer.get_logdir(): self.file_writer}
            if self.purge_step is not None:
                step, self.purge_step = self.purge_step, None
                self.file_writer.add_event(Event(step=step, file_version="brain.Event:2"))
                begin = SessionLog(status=SessionLog.START)
                self.file_writer.add_event(Event(step=step, session_log=begin))
        return self.file_writer

    def _add(self, summary: Any, global_step: Any = None, walltime: Any = None) -> None:
        self._get_file_writer().add_summary(summary, global_step, walltime)

    def get_logdir(self) -> Any:
        """The folder."""
        return self.log_dir

    def add_scalar(
        self, tag: str, scalar_value: Any, global_step: Any = None, walltime: Any = None,
        new_style: bool = False, double_precision: bool = False,
    ) -> None:  # fmt: skip
        """A number. `new_style`: as a tensor, in double precision on request."""
        self._add(
            records.scalar(tag, scalar_value, new_style, double_precision), global_step, walltime
        )

    def add_scalars(
        self, main_tag: str, tag_scalar_dict: Any, global_step: Any = None, walltime: Any = None
    ) -> None:
        """Numbers of one chart: each goes into a folder of its own."""
        walltime = time.time() if walltime is None else walltime
        folder = self._get_file_writer().get_logdir()
        assert self.all_writers is not None
        for tag, value in tag_scalar_dict.items():
            name = f"{folder}/{main_tag.replace('/', '_')}_{tag}"
            if name not in self.all_writers:
                self.all_writers[name] = FileWriter(name, *self._options)
            summary = records.scalar(main_tag, value)
            self.all_writers[name].add_summary(summary, global_step, walltime)

    def add_histogram(
        self, tag: str, values: Any, global_step: Any = None, bins: Any = "tensorflow",
        walltime: Any = None, max_bins: int | None = None,
    ) -> None:  # fmt: skip
        """How values are spread. `bins`: as in `numpy.histogram`, or the default ones."""
        if isinstance(bins, str) and bins == "tensorflow":
            bins = self.default_bins
        self._add(records.histogram(tag, values, bins, max_bins), global_step, walltime)

    def add_histogram_raw(
        self, tag: str, min: float, max: float, num: float, sum: float, sum_squares: float,
        bucket_limits: Any, bucket_counts: Any, global_step: Any = None, walltime: Any = None,
    ) -> None:  # fmt: skip
        """A histogram that was counted elsewhere."""
        if len(bucket_limits) != len(bucket_counts):
            raise ValueError(
                f"add_histogram_raw(): {len(bucket_limits)} bucket_limits for "
                f"{len(bucket_counts)} bucket_counts"
            )
        summary = records.histogram_raw(
            tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts
        )
        self._add(summary, global_step, walltime)

    def add_image(
        self, tag: str, img_tensor: Any, global_step: Any = None, walltime: Any = None,
        dataformats: str = "CHW",
    ) -> None:  # fmt: skip
        """A picture: bytes, or numbers between 0 and 1. `dataformats`: "CHW", "HWC", "HW"."""
        self._add(pictures.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_images(
        self, tag: str, img_tensor: Any, global_step: Any = None, walltime: Any = None,
        dataformats: str = "NCHW",
    ) -> None:  # fmt: skip
        """Pictures beside each other."""
        self._add(pictures.image(tag, img_tensor, dataformats), global_step, walltime)

    def add_figure(
        self, tag: str, figure: Any, global_step: Any = None, close: bool = True,
        walltime: Any = None,
    ) -> None:  # fmt: skip
        """Matplotlib's figure, or a list of them; they are closed unless `close` is False."""
        pixels = pictures.figure(figure, close)
        self.add_image(tag, pixels, global_step, walltime, "NCHW"[4 - pixels.ndim :])

    def add_audio(
        self, tag: str, snd_tensor: Any, global_step: Any = None, sample_rate: int = 44100,
        walltime: Any = None,
    ) -> None:  # fmt: skip
        """A sound, between -1 and 1."""
        self._add(records.audio(tag, snd_tensor, sample_rate), global_step, walltime)

    def add_text(
        self, tag: str, text_string: str, global_step: Any = None, walltime: Any = None
    ) -> None:
        """A text, which is shown as Markdown."""
        self._add(records.text(tag, text_string), global_step, walltime)

    def add_hparams(
        self, hparam_dict: Any, metric_dict: Any, hparam_domain_discrete: Any = None,
        run_name: str | None = None, global_step: Any = None,
    ) -> None:  # fmt: skip
        """Hyperparameters, and the results with them, in a folder of their own."""
        made = records.hparams(hparam_dict, metric_dict, hparam_domain_discrete)
        folder = os.path.join(self._get_file_writer().get_logdir(), run_name or str(time.time()))
        with SummaryWriter(folder) as run:
            for summary in made:
                run._add(summary, global_step)
            for name, value in metric_dict.items():
                run.add_scalar(name, value, global_step)

    def add_embedding(
        self, mat: Any, metadata: Any = None, label_img: Any = None, global_step: Any = None,
        tag: str = "default", metadata_header: Any = None,
    ) -> None:  # fmt: skip
        """Points, a row each, with labels and pictures `(N, C, H, W)` on request."""
        projector.write(
            self._get_file_writer().get_logdir(), self._projector_config, mat, metadata, label_img,
            global_step, tag, metadata_header,
        )  # fmt: skip

    def add_pr_curve(
        self, tag: str, labels: Any, predictions: Any, global_step: Any = None,
        num_thresholds: int = 127, weights: Any = None, walltime: Any = None,
    ) -> None:  # fmt: skip
        """Precision and recall of predictions between 0 and 1; labels are 0 or 1."""
        summary = records.pr_curve(tag, labels, predictions, num_thresholds, weights)
        self._add(summary, global_step, walltime)

    def add_pr_curve_raw(
        self, tag: str, true_positive_counts: Any, false_positive_counts: Any,
        true_negative_counts: Any, false_negative_counts: Any, precision: Any, recall: Any,
        global_step: Any = None, num_thresholds: int = 127, weights: Any = None,
        walltime: Any = None,
    ) -> None:  # fmt: skip
        """A precision-recall curve that was counted elsewhere."""
        rows = (
            true_positive_counts, false_positive_counts, true_negative_counts,
            false_negative_counts, precision, recall,
        )  # fmt: skip
        self._add(records.pr_curve_raw(tag, rows, num_thresholds), global_step, walltime)

    def add_custom_scalars(self, layout: Any) -> None:
        """Which scalars share a chart: `{category: {title: ["Multiline", tags]}}`."""
        self._add(records.custom_scalars(layout))

    def add_custom_scalars_multilinechart(
        self, tags: Any, category: str = "default", title: str = "untitled"
    ) -> None:
        """One chart of several scalars."""
        self.add_custom_scalars({category: {title: ["Multiline", tags]}})

    def add_custom_scalars_marginchart(
        self, tags: Any, category: str = "default", title: str = "untitled"
    ) -> None:
        """One chart of a scalar between two others."""
        self.add_custom_scalars({category: {title: ["Margin", tags]}})

    def add_graph(
        self, model: Any, input_to_model: Any = None, verbose: bool = False,
        use_strict_trace: bool = True,
    ) -> None:  # fmt: skip
        """The ops that `model` calls when it is given `input_to_model`, in its modules.

        A Tensor, or a tuple of arguments. The model is run once, in eval mode and without
        gradients. `verbose` prints the graph too.
        """
        graph = graphs.graph_of(model, input_to_model)
        if verbose:
            print(graph)
        self._get_file_writer().add_event(Event(graph_def=graph.SerializeToString()))

    def flush(self) -> None:
        """Everything so far is in the files when this returns."""
        for writer in (self.all_writers or {}).values():
            writer.flush()

    def close(self) -> None:
        """Write what is left, and close the files; what is added later goes into new ones."""
        for writer in (self.all_writers or {}).values():
            writer.close()
        self.file_writer = self.all_writers = None

    def __enter__(self) -> SummaryWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _refused(name: str, why: str) -> Any:
    def method(self: Any, *args: Any, **options: Any) -> NoReturn:
        raise NotImplementedError(f"SummaryWriter.{name}: {why}")

    method.__name__ = name
    method.__doc__ = "Raises NotImplementedError, which says what to write instead."
    return method


for _name, _why in {
    "add_onnx_graph": "no ONNX is read here; write add_graph(model, inputs)",
    "add_image_with_boxes": "draw the boxes into the picture, and write add_image",
    "add_mesh": "draw it as a figure, and write add_figure",
    "add_tensor": "write add_histogram, or torch.save",
    "add_video": "write its pictures with add_images",
}.items():
    setattr(SummaryWriter, _name, _refused(_name, _why))
