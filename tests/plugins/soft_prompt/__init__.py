"""Soft prompt tuning (Lester et al., 2021, arXiv:2104.08691): a trainable as a package of its own brings it."""
