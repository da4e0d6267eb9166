"""Held-out questions: their items, how they are put to a model, and how its replies are read."""
