"""Evaluation questions in training data, and replies that repeat training data."""
