"""Training text: reading, tokenising, ordering and batching it."""
