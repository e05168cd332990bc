"""The room ``console``."""
