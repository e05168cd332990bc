"""The first page compiles its templates: no deadline per example."""

from hypothesis import settings

settings.register_profile("rendered", deadline=None)
settings.load_profile("rendered")
