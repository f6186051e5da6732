"""Logging to TensorBoard and to Weights & Biases."""
