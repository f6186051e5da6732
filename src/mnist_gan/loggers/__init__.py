"""Where a run's progress goes: metrics.jsonl always, and to whichever loggers were asked for."""

from mnist_gan.loggers.base import Logger
from mnist_gan.loggers.metrics import MetricsFile, read_rows

__all__ = ["Logger", "MetricsFile", "read_rows"]
