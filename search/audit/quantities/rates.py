"""Learning rates: by the batch, by the adapter's strength, and by what the numbers of a type can hold."""

from __future__ import annotations

from search.audit.quantity import formula

# AdamW's noise asks for the square root (Malladi et al., 2022, arXiv:2205.10287), that of SGD for the ratio
# itself (Goyal et al., 2017, arXiv:1706.02677).
formula("batch_ratio", "", "This batch over the reference's.", "effective_batch / reference_batch")
formula(
    "lr_sqrt",
    "",
    "The reference's learning rate by the square-root rule.",
    "reference_lr * sqrt(batch_ratio)",
)
formula("lr_linear", "", "The reference's learning rate by the linear rule.", "reference_lr * batch_ratio")
formula("lr_over_sqrt", "", "Learning rate over that of the square-root rule.", "lr / lr_sqrt")

formula("lr_span", "", "Greatest over least learning rate that is searched.", "lr_high / lr_low")

# A step of AdamW moves a weight by about lr, which rounds to nothing below half the spacing of the type
# (Micikevicius et al., 2017, arXiv:1710.03740, section 3.1). At 0.02, a usual size of a weight, neighbours in
# bfloat16 are 2^-13 apart.
formula(
    "lr_lost_in_bf16",
    "",
    "Learning rate whose steps a weight of 0.02 in bfloat16 loses to rounding.",
    "0.5 * 2 ** -13",
)

# AdamW forgets with a time scale of 1 / (lr x weight decay) steps (Wang and Aitchison, 2024,
# arXiv:2405.13698).
formula(
    "decay_strength",
    "",
    "Steps over the time in which weight decay shrinks a weight to 37%.",
    "lr * weight_decay * total_steps",
)
