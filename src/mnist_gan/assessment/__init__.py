"""How good is it? A run, a model or somebody's images, held against real ones by the judges, and put on record.

    subject = open_subject(Path("runs/first"))
    found = assess(subject, dataset=load_dataset(real_data(subject)))
    write(found, Place.of(subject), command="...")

The composition root of an evaluation: `evaluation` knows neither models nor files, so what it needs of them is handed
to it here. Everything is derived from one seed; the same model, data and seed give the same figures.
"""

from mnist_gan.assessment.judging import Assessment, assess, draw_from
from mnist_gan.assessment.record import Place, figures_rows, report_content, write
from mnist_gan.assessment.subject import Subject, open_subject, real_data

__all__ = [
    "Assessment",
    "Place",
    "Subject",
    "assess",
    "draw_from",
    "figures_rows",
    "open_subject",
    "real_data",
    "report_content",
    "write",
]
