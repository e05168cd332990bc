"""The source ``estimators``."""
