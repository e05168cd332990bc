"""The source ``trending``."""
