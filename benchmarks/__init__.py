"""Measures: each module prints a table or notes and, as its last line, JSON."""
