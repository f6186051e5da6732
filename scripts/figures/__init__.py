"""The figures of the documentation: `python -m scripts.figures` draws them."""
