"""Generative adversarial networks on MNIST."""
