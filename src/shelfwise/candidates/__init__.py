"""The room ``candidates``."""
