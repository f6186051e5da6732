"""A run on disk: files, status, comparison, evaluations, interventions and the live channel. Imports no torch."""

from mnist_gan.runs.comparison import Comparison, compare
from mnist_gan.runs.directory import RunDirectory
from mnist_gan.runs.state import Status, list_runs, status

__all__ = ["Comparison", "RunDirectory", "Status", "compare", "list_runs", "status"]
