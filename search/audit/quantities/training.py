"""Quantities of the length and size of a training."""

from search.audit.quantity import formula

formula("examples_consumed", "sequences", "Sequences that go through the model.", "steps * batch")
formula("alpha_per_rank", "", "LoRA's alpha relative to its rank.", "alpha / rank")
