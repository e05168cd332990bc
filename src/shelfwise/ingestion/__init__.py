"""The room ``ingestion``."""
