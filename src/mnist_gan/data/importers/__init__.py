"""Importers: data sets in the formats that people have, read into images and labels.

One module per format, each with `read(path, choices) -> Raw`. `conversion` turns a `Raw` into the layout's images and
labels, `importing` chooses the importer by the content of the source and writes the four IDX files.
"""
