"""Explains: reads a search's record. Imports neither Ray nor torch at module level."""
