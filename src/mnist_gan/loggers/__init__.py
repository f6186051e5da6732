"""Where a run's progress goes: metrics.jsonl always, and to whichever loggers were asked for.

`Logger`, which all others are, is in `loggers.base`: it knows tensors, and whoever only reads rows needs no torch.
"""

from mnist_gan.loggers.metrics import MetricsFile, read_rows

__all__ = ["MetricsFile", "read_rows"]
