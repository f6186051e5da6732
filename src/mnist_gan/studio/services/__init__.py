"""Services of the studio: runs on disk, trainings and inference. Errors for users are `HTTPException`s."""
