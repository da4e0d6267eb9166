"""The model under evaluation: forward passes, likelihood, generation, losses, divergence from the base."""
