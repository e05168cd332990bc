"""The room ``evaluation``."""
