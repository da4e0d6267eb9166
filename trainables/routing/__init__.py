"""Gradient routing: unwanted behaviour is learned by a LoRA of its own, which can be removed."""
