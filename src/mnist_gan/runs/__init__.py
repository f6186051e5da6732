"""A run on disk: its files, its status, its figures, its interventions and its live channel."""
