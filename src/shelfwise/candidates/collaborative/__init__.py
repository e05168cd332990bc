"""The source ``collaborative``."""
