"""Figures of the documentation, drawn by `python -m scripts.figures`."""
