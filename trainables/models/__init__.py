"""The base model: where it comes from, and loading it."""
