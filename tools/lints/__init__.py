"""Demeter's own lints: rules a general linter cannot know. Run: ``python -m tools.lints src``."""
