"""What the words of the report mean, for somebody who has never read one."""

from __future__ import annotations

from collections.abc import Sequence

METRICS: dict[str, str] = {
    "train_loss": "Training loss: how badly the model predicts the text that it is trained on, in nats per "
    "token, the mean since the rung before. Less is better.",
    "heldout_loss": "The same of text from the same source that it was not trained on. Less is better; where "
    "it rises while train_loss falls, the model learns by heart.",
    "heldout_perplexity": "The loss on that text as a perplexity: among how many words, in effect, the model "
    "hesitates. Less is better.",
    "heldout_bits_per_byte": "The loss on that text in bits per byte of text, by which models with different "
    "tokenizers can be compared. Less is better.",
    "capability": "Share of held-out questions that are answered rightly, the mean over the skills. More is "
    "better.",
    "retention": "Capability as a share of the base model's: 1 is as much as before tuning, 0.95 means that "
    "a twentieth is gone. More is better.",
    "general_loss": "Loss on text of no particular domain, in nats per token. Less is better.",
    "general_loss_change": "By how much the loss on that text has risen above the base model's, in nats per "
    "token. 0 is no change.",
    "general_perplexity": "The loss on that text as a perplexity: among how many words, in effect, the model "
    "hesitates. Less is better.",
    "general_bits_per_byte": "The loss on that text in bits per byte of text. Less is better.",
    "kl_base": "How far the tuned model's next words are from the base model's over the questions "
    "(Kullback-Leibler divergence), in nats per token. 0 is no difference.",
    "degenerate": "Share of generated replies that were cut off at the greatest length or end in a loop. "
    "Less is better.",
    "looping": "Share of generated replies that end in a loop.",
    "length_exhausted": "Share of generated replies that were cut off at the greatest length.",
    "empty": "Share of generated replies without text.",
    "distinct_2": "Different pairs of words in all replies, as a share of all their pairs: low where replies "
    "repeat each other.",
    "repeated_4": "Share of runs of four tokens that stood in the same reply before.",
    "think_missing": "Share of replies without a think section, or with an empty one.",
    "right": "Share of generated replies with the right answer.",
    "wrong": "Share of generated replies from which an answer could be read that is not the right one.",
    "unparseable": "Share of generated replies from which no answer could be read.",
    "leaking": "Share of generated replies from which no answer could be read and which recite the training "
    "text.",
}
"""By the name in the record."""

ENDINGS: dict[str, str] = {
    "generation": "Share of questions answered rightly in the model's own words.",
    "likelihood": "Share of questions whose right option the model finds the most probable.",
    "likelihood_norm": "The same by probability for each byte of the option's text.",
    "harness": "Share of items right by the rules of the lm-evaluation-harness task.",
    "f1": "Words that a reply shares with the right answer (F1), the mean over the questions.",
    "wrong": "Share of replies with an answer that is not right.",
    "unparseable": "Share of replies from which no answer could be read.",
    "leaking": "Share of replies that recite the training text instead of an answer.",
}
"""Of a metric `<skill>_<ending>`."""

WORDS: dict[str, str] = {
    "adapter, LoRA": "What tuning adds to the model: small matrices beside its weights, which stay as they "
    "are. The adapter is the result, and is used together with the base model.",
    "base model": "The model as it was before any tuning; everything is compared with it.",
    "lr, learning rate": "How large each step of training is.",
    "rank": "Size of the adapter: how much it can change.",
    "alpha, alpha_per_rank": "How strongly the adapter acts; per rank, so that ranks can be compared.",
    "trial": "One training with settings of its own, and its evaluation.",
    "optimizer step": "One change of the adapter by training.",
    "full budget": "As many optimizer steps as a trial may have.",
    "rung": "A number of steps at which trials are evaluated, and compared to decide which go on.",
    "scheduler": "Ends at a rung the trials that do worse than the others there.",
    "guard": "Ends a trial that is breaking the model, whatever the others do.",
    "searcher": "Chooses the settings of the next trial.",
    "objective": "What the search makes as small or as large as it can.",
    "constraint, floor, ceiling": "A bound that an objective has to keep: a floor is the least that is "
    "accepted, a ceiling the most.",
    "Pareto front, dominated": "A trial is on the front, or Pareto-optimal, if no other is as good in every "
    "objective and better in one. The others are dominated.",
    "confirmation, repetition": "The best candidates are trained again with new seeds, as one run may have "
    "been lucky.",
    "seed": "What chance begins with: another gives another order of the data and another start.",
    "skill": "A set of held-out questions of one kind.",
    "95% interval": "Written [low, high]: made so that 95 of 100 such intervals hold the true value. Two "
    "values whose intervals overlap widely cannot be told apart.",
    "n": "The number of questions, texts or trials that a value rests on; few make a wide interval.",
    "p": "How often chance alone would show at least as much; below 0.05 is taken as more than chance.",
    "rank correlation, tau": "From -1 to 1: whether two things rise together (1), against each other (-1), "
    "or without regard for each other (0). Tau is Kendall's.",
    "slot, worker group": "A worker group holds the model on its devices; a slot is a place for one trial in "
    "it.",
    "device": "A GPU, or a CPU where there is none. A device-hour is one of them for an hour.",
    "hypervolume": "How much of the room between the best and the worst the front covers; 1 would be all.",
}


def meanings(metrics: Sequence[str], skills: Sequence[str]) -> dict[str, str]:
    """What metrics measure, those of skills once for all skills; one that is not known here is left out.

    Args:
        metrics: As in the record.
        skills: Names of the search's skills.
    """
    meanings = {name: METRICS[name] for name in metrics if name in METRICS}
    for ending, told in ENDINGS.items():
        measured = [skill for skill in skills if f"{skill}_{ending}" in metrics]
        if measured:
            meanings[f"<skill>_{ending}"] = f"{told} Of {', '.join(measured)}."
    return meanings
