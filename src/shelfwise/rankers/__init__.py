"""The room ``rankers``."""
