"""The room ``reranking``."""
