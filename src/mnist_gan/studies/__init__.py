"""Studies: many trainings that are compared: arms x seeds x budget. A study is a folder; each trial is a run in it."""
