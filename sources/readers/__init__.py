"""Readers: one file of a format to chunks of text rows with their lines, and the rows that cannot be read."""
