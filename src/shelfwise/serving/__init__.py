"""The room ``serving``."""
