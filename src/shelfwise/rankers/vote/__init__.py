"""A weighted vote over the sources."""
