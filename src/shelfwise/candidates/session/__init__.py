"""The source ``session``."""
