"""Prompts are compressed and rebuilt, and a frozen model answers from what was rebuilt."""
