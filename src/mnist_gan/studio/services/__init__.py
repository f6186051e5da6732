"""Services of the studio: runs on disk, trainings and inference. They know no HTTP."""
