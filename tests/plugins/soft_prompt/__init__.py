"""Soft prompt tuning (Lester et al., 2021, arXiv:2104.08691), a trainable of another package."""
