"""Models, checkpoints, snapshots, and pictures of them."""
