"""TensorBoard: losses, scores, accuracies, speed, sample grids and histograms, over the number of images seen.

The folder holds one event file with content. On resume, what was logged after the checkpoint is left out of a new one,
which takes the old one's place: no point appears twice, whatever reads the folder.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jaxtyping import Float, Shaped
from PIL import Image
from torch import Tensor

from mnist_gan.loggers.base import finite_values
from mnist_gan.loggers.event_file import frame_record, read_records
from mnist_gan.runs.append_only import AppendOnlyFile
from mnist_gan.runs.metrics import CLOCK, Row
from mnist_gan.storage import storage_errors, write_bytes

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

FILE_PATTERN: Final = "events.out.tfevents.*"
FILE_VERSION: Final = "brain.Event:2"
HISTOGRAM_BINS: Final = 50
SAMPLES_TAG: Final = "Samples"


class TensorBoardLogger:
    """Writes a run's progress as TensorBoard events."""

    def __init__(self, directory: Path, *, cur_nimg: int = 0) -> None:
        """Begin the events of a run, or go on with those in `directory` up to `cur_nimg` images.

        Args:
            directory: folder for the event file; made if it is not there.
            cur_nimg: images seen at the checkpoint that is resumed from; 0 begins anew.

        Raises:
            StorageError: the operating system refused.
        """
        self.directory = directory
        with storage_errors(directory):
            kept = list(_events_until(directory, cur_nimg)) if cur_nimg else []
            self._file = AppendOnlyFile(_replace_event_files(directory, kept))

    def log_row(self, row: Row) -> None:
        """Every statistic of the row as a scalar. The fields without a "/" are clocks; one of them is the axis."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=name, simple_value=value) for name, value in row.items() if "/" in name]
        self._write(Summary(value=values), cur_nimg=int(row[CLOCK]))

    def log_samples(self, path: Path, *, cur_nimg: int) -> None:
        """The sample grid as an image; the file goes in as it is."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        content = path.read_bytes()
        with Image.open(io.BytesIO(content)) as picture:
            width, height, colorspace = *picture.size, len(picture.getbands())
        image = Summary.Image(width=width, height=height, colorspace=colorspace, encoded_image_string=content)
        self._write(Summary(value=[Summary.Value(tag=SAMPLES_TAG, image=image)]), cur_nimg=cur_nimg)

    def log_histograms(self, values: Mapping[str, Float[Tensor, "..."]], *, cur_nimg: int) -> None:
        """A histogram of the values of each tensor; what is not finite is left out."""
        from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary

        summaries = []
        for name, tensor in values.items():
            flat = finite_values(tensor)
            if flat.size:
                summaries.append(Summary.Value(tag=name, histo=HistogramProto(**_histogram(flat))))
        self._write(Summary(value=summaries), cur_nimg=cur_nimg)

    def close(self) -> None:
        """Make the events durable and close the file."""
        self._file.close()

    def _write(self, summary: Any, *, cur_nimg: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        event = Event(wall_time=time.time(), step=cur_nimg, summary=summary)
        self._file.add(frame_record(_serialize(event)))


def _events_until(directory: Path, cur_nimg: int) -> Iterator[Event]:
    """The events of the newest file in `directory` that were logged at `cur_nimg` images or before."""
    from tensorboard.compat.proto.event_pb2 import Event

    files = sorted(directory.glob(FILE_PATTERN))
    events = (Event.FromString(data) for data in read_records(files[-1].read_bytes() if files else b""))
    return (event for event in events if event.HasField("summary") and event.step <= cur_nimg)


def _replace_event_files(directory: Path, events: list[Event]) -> Path:
    """Write a new event file that begins with `events`, and empty or remove the others.

    It is complete by itself, so a crash before the old ones are gone loses nothing. A TensorBoard that is looking at
    that moment follows: it has the old file open and would see nothing of one put in its place, so the new one has a
    name of its own; that one says at its head that what was read before is void; and the old one is emptied, since a
    reader that found it missing would wait for it.
    """
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog

    old = sorted(directory.glob(FILE_PATTERN))
    number = 1 + (int(old[-1].suffix[1:]) if old and old[-1].suffix[1:].isdecimal() else 0)
    path = directory / FILE_PATTERN.replace("*", f"{number:010d}")
    now = time.time()
    version = Event(wall_time=now, file_version=FILE_VERSION)
    restart = Event(wall_time=now, step=0, session_log=SessionLog(status=SessionLog.START))
    write_bytes(path, b"".join(frame_record(_serialize(event)) for event in [version, restart, *events]))
    for file in old[:-1]:
        file.unlink(missing_ok=True)
    for file in old[-1:]:
        os.truncate(file, 0)
    return path


def _serialize(event: Event) -> bytes:
    return bytes(event.SerializeToString(deterministic=True))


def _histogram(values: Shaped[np.ndarray, "n"]) -> dict[str, Any]:
    """The fields of TensorFlow's HistogramProto: counts in equal bins, and the upper limit of each."""
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
