"""TensorBoard: losses, scores, accuracies, speed, sample grids and histograms, over the number of images seen.

Events are framed by TensorBoard's own `RecordWriter` and written synchronously. `SummaryWriter` would write them in a
thread, which loses the last ones of a killed process, reports a full disk late and with a traceback, and imports
TensorFlow where it is installed.
"""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from jaxtyping import Float, Shaped
from PIL import Image
from torch import Tensor

from mnist_gan.loggers.base import finite_values
from mnist_gan.runs.append_only import AppendOnlyFile
from mnist_gan.runs.metrics import CLOCK, Row

FILE_PREFIX: Final = "events.out.tfevents."
FILE_VERSION: Final = "brain.Event:2"
HISTOGRAM_BINS: Final = 50
SAMPLES_TAG: Final = "Samples"


class TensorBoardLogger:
    """Writes the progress of a run as TensorBoard events."""

    def __init__(self, directory: Path, *, cur_nimg: int = 0) -> None:
        """Start a new event file. TensorBoard then hides the events of earlier files after `cur_nimg` images.

        Args:
            directory: created if missing.
            cur_nimg: images seen at the checkpoint of a resumed run; 0 hides all earlier events.

        Raises:
            StorageError: the file cannot be written.
        """
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._file = AppendOnlyFile(_next_event_file(directory))
        self._records = RecordWriter(self._file)
        self._write(file_version=FILE_VERSION)
        # TensorBoard purges the events of this step and later ones when it reads START
        self._write(step=cur_nimg + 1 if cur_nimg else 0, session_log=SessionLog(status=SessionLog.START))

    def log_row(self, row: Row) -> None:
        """Log each statistic as a scalar. Fields without a "/" are clocks."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in row.items() if "/" in name]
        self._write(step=int(row[CLOCK]), summary=Summary(value=values))

    def log_samples(self, path: Path, *, cur_nimg: int) -> None:
        """Log the sample grid as an image, without re-encoding."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as picture:
            width, height, colorspace = *picture.size, len(picture.getbands())
        image = Summary.Image(width=width, height=height, colorspace=colorspace, encoded_image_string=content)
        self._write(step=cur_nimg, summary=Summary(value=[Summary.Value(tag=SAMPLES_TAG, image=image)]))

    def log_histograms(self, values: Mapping[str, Float[Tensor, "..."]], *, cur_nimg: int) -> None:
        """Log a histogram of the finite values of each tensor."""
        from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary

        finite = {name: finite_values(tensor) for name, tensor in values.items()}
        histograms = {name: HistogramProto(**_histogram(flat)) for name, flat in finite.items() if flat.size}
        summary = Summary(value=[Summary.Value(tag=name, histo=histogram) for name, histogram in histograms.items()])
        self._write(step=cur_nimg, summary=summary)

    def close(self) -> None:
        """Fsync and close the file."""
        self._file.close()

    def _write(self, **fields: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._records.write(Event(wall_time=time.time(), **fields).SerializeToString())


def _next_event_file(directory: Path) -> Path:
    """The path of a new file, numbered so that TensorBoard reads it after the existing ones."""
    suffixes = [path.name.removeprefix(FILE_PREFIX) for path in directory.glob(f"{FILE_PREFIX}*")]
    number = 1 + max((int(suffix) for suffix in suffixes if suffix.isdecimal()), default=0)
    return directory / f"{FILE_PREFIX}{number:010d}"


def _histogram(values: Shaped[np.ndarray, "n"]) -> dict[str, Any]:
    """The fields of a HistogramProto: counts in equal bins, and the upper limit of each."""
    counts, edges = np.histogram(values, bins=HISTOGRAM_BINS)
    return {
        "min": values.min(),
        "max": values.max(),
        "num": values.size,
        "sum": values.sum(),
        "sum_squares": np.square(values).sum(),
        "bucket": counts.tolist(),
        "bucket_limit": edges[1:].tolist(),
    }
