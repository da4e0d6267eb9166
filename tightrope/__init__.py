"""Tightrope: hyperparameter search for LoRA that does not break the model."""
