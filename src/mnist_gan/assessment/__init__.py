"""Evaluation of a run, a model or a set of images: figures, report and record.

    assessment = evaluate("runs/first")
    write(assessment, OutputPaths.of(assessment.subject), command="...")

The composition root of an evaluation: `evaluation` takes callables and knows neither models nor files. The same model,
data and seed give the same figures.
"""

from mnist_gan.assessment.facade import evaluate
from mnist_gan.assessment.judging import Assessment, assess, draw_from
from mnist_gan.assessment.record import OutputPaths, figures_rows, report_content, write
from mnist_gan.assessment.subject import Subject, open_subject, real_data

__all__ = [
    "Assessment",
    "OutputPaths",
    "Subject",
    "assess",
    "draw_from",
    "evaluate",
    "figures_rows",
    "open_subject",
    "real_data",
    "report_content",
    "write",
]
