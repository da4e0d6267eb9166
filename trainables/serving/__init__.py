"""Serves the requests of a search, whatever is trained."""
