"""Size and strength of adapters."""

from __future__ import annotations

from search.audit.quantity import formula

formula("alpha_per_rank", "", "LoRA's alpha relative to its rank.", "alpha / rank")
# Hu et al., 2021, arXiv:2106.09685; with rslora Kalajdzievski, 2023, arXiv:2312.03732.
formula(
    "scale",
    "",
    "Factor on the product of LoRA's matrices.",
    "alpha / sqrt(rank) if rslora else alpha / rank",
)
formula(
    "trained_share", "", "Trained parameters, of the base model's.", "trainable_parameters / base_parameters"
)
formula(
    "capacity_used",
    "",
    "Tokens that are read, at 1 bit each, over what is trained, at 2 bits a parameter.",
    "tokens_seen / (2 * trainable_parameters)",
)
