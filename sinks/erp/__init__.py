"""Posting to ERPs: one driver, one small connector per system."""
