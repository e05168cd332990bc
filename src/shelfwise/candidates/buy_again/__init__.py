"""The source ``buy_again``."""
