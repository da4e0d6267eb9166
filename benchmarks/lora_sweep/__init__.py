"""Searches over published LoRA runs: how soon each comes near the best learning rate and rank."""
