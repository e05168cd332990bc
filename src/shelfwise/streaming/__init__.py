"""The room ``streaming``."""
