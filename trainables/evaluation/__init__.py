"""Held-out loss and held-out capability of a model with whatever adapters are active."""
