"""The source ``complements``."""
