"""The neutral facts that rules speak of, whatever tool a configuration is for."""

from __future__ import annotations

from typing import NamedTuple


class Name(NamedTuple):
    """A fact: its unit (empty for a pure number, "word" for text, "yes or no") and its meaning."""

    unit: str
    meaning: str


NAMES: dict[str, Name] = {
    "lr": Name("", "Peak learning rate."),
    "lr_embeddings": Name("", "Peak learning rate of the stage that trains embeddings."),
    "schedule": Name("word", "Learning-rate schedule: constant, wsd, linear, cosine."),
    "warmup_steps": Name("steps", "Length of the linear warm-up."),
    "warmup_share": Name("", "The same as a share of all steps."),
    "steps": Name("steps", "Optimizer steps of the whole training."),
    "epochs": Name("passes", "Passes over the training data."),
    "micro_batch": Name("sequences", "Sequences in one pass on one device."),
    "accumulation": Name("passes", "Passes whose gradients make one optimizer step."),
    "devices": Name("devices", "Devices that train one model in parallel on different data."),
    "batch": Name("sequences", "Sequences per optimizer step, over all devices and passes."),
    "max_length": Name("tokens", "Length of a sequence, at most."),
    "packing": Name("yes or no", "Whether several documents share a sequence."),
    "shuffle": Name("yes or no", "Whether the training data are shuffled."),
    "data_offset_examples": Name("sequences", "Training begins this far into the data."),
    "data_range": Name("sequences", "Length of the range of the data that a stage is meant to read."),
    "corpus_examples": Name("sequences", "Sequences of the training data."),
    "corpus_tokens": Name("tokens", "Tokens of the training data."),
    "tokens_quantile_90": Name("tokens", "Nine of ten documents are no longer than this."),
    "tokens_quantile_99": Name("tokens", "99 of 100 documents are no longer than this."),
    "completion_cut_share": Name("", "Share of the completions that max_length cuts."),
    "loss_on": Name("word", "What is learned: completion or all."),
    "eos_appended": Name("yes or no", "Whether every document or reply ends in the end-of-sequence token."),
    "pad_is_eos": Name("yes or no", "Whether padding and end of sequence are the same token."),
    "double_bos": Name("yes or no", "Whether sequences begin with two start tokens."),
    "method": Name("word", "What is trained: lora, qlora, full or embeddings."),
    "rank": Name("", "Rank of the LoRA matrices."),
    "alpha": Name("", "LoRA's alpha, the numerator of its scale."),
    "rslora": Name("yes or no", "Whether LoRA's scale is alpha / sqrt(rank)."),
    "target_modules": Name("word", "Layers that get an adapter: attention, mlp or all."),
    "layers": Name("layers", "Number of the base model's blocks."),
    "trainable_parameters": Name("parameters", "Number of trained parameters."),
    "base_parameters": Name("parameters", "Number of the base model's parameters."),
    "hidden_size": Name("", "Width of the base model."),
    "dropout": Name("", "Dropout on the adapter's input."),
    "weight_decay": Name("", "Decoupled weight decay."),
    "dtype": Name("word", "Type of the numbers that are computed with: float32, bfloat16 or float16."),
    "quantization": Name("word", "Quantisation of the base model, such as nf4; none without."),
    "gradient_clip": Name("", "Limit on the norm of the gradient; 0 is off."),
    "seed_count": Name("seeds", "Seeds that what is recommended is trained with."),
    "heldout_examples": Name("sequences", "Held-out sequences that loss is measured on."),
    "eval_questions": Name("questions", "Questions of the smallest set that is evaluated."),
    "retention_floor": Name("", "Least acceptable share of the base's capability."),
    "guard_spike": Name("", "Multiple of its lowest value at which a loss ends a trial; none is off."),
    "rungs": Name("", "Rungs at which trials are measured."),
    "reduction_factor": Name("", "Ratio of neighbouring rungs, and of trials that go on."),
    "early_stopping": Name("yes or no", "Whether a scheduler stops trials at rungs before the last."),
    "trials": Name("trials", "Number of trials."),
    "overlap_train_eval": Name("questions", "Questions of the evaluation that are in the training data."),
    "similarity": Name("word", "How tokens are compared: cosine, relative, dot."),
    "similarity_threshold": Name("", "Least similarity of tokens that are aligned."),
    "similarity_normalised": Name("yes or no", "Whether that similarity has a fixed range."),
    "similarity_least": Name("", "Least similarity that was measured of a token and its best match."),
    "vector_epochs": Name("passes", "Passes over the corpus in which token vectors are trained."),
    "vector_lr": Name("", "Learning rate of the token vectors."),
    "vector_ngrams": Name("yes or no", "Whether token vectors use character n-grams of the ids."),
    "tied_embeddings": Name("yes or no", "Whether the output head is the table of embeddings."),
    "head_trained": Name("yes or no", "Whether the output head is trained in the stage of embeddings."),
    "reference_batch": Name("sequences", "Batch that the learning rate was taken over from."),
    "reference_lr": Name("", "Learning rate that was used with reference_batch."),
    "device_memory": Name("bytes", "Memory of one device."),
    "needed_memory": Name("bytes", "Memory that training needs on one device."),
}
"""By name; derived quantities (`search.audit.quantities`) are named apart from these."""

NONE_SAYS = ("quantization", "guard_spike", "retention_floor")
"""Facts whose value None means none, or off; of all others it means that they are not known."""
