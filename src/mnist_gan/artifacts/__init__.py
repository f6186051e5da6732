"""What a run leaves behind: directory, checkpoints, models, pictures."""
