"""Keeping the contracts trustworthy: lint, compatibility, releases, registering, deprecations, documentation.

Nothing here is needed to read or write a record; `millrace contracts` is its face.
"""
