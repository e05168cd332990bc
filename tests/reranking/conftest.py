"""The first call of a kernel compiles it: no deadline per example."""

from hypothesis import settings

settings.register_profile("compiled", deadline=None)
settings.load_profile("compiled")
