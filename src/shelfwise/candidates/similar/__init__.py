"""The source ``similar``."""
