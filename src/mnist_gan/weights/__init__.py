"""Weights that ship with the package, each with the facts about it beside it (NAME.json). See README.md here."""
