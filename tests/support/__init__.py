"""Shared by the tests: made-up digits, a tiny config, a trained run."""
