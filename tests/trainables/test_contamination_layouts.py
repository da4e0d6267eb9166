"""Questions of published benchmarks are found in the layouts in which they are published."""

from __future__ import annotations

import json

import pytest

from trainables.errors import UserError
from trainables.evaluation.contamination.check import refuse_training_items
from trainables.evaluation.questions.items import ChoiceItem, Item, OpenItem
from trainables.settings import SkillConfig, TaskConfig

PRIMES = ChoiceItem("What is the sum of the first four primes?", ("15", "17", "19", "21"), 1)
CLIPS = OpenItem(
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. "
    "How many clips did Natalia sell altogether in April and May?",
    "She sold 48/2 = <<48/2=24>>24 clips in May.\nThat is 48+24 = <<48+24=72>>72 in all.\n#### 72",
)
CLIPS_IN_OTHER_WORDS = OpenItem(CLIPS.question, "72")
FEVER = ChoiceItem(
    "Which factor will most likely cause a person to develop a fever?",
    ("a leg muscle relaxing", "a bacterial population in the blood", "several viral particles", "walking"),
    1,
)
LOGARITHM = OpenItem(r"Evaluate $\log_2 \frac{1}{8}$ without any tables.", "-3")
MATH = {
    "problem": LOGARITHM.question,
    "level": "Level 2",
    "type": "Algebra",
    "solution": r"Since $2^{-3}=\frac{1}{8}$, it is $\boxed{-3}$.",
}
LABELS = ["A", "B", "C", "D"]


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (CLIPS, json.dumps({"question": CLIPS.question, "answer": CLIPS.answer})),
        (CLIPS_IN_OTHER_WORDS, json.dumps({"question": CLIPS.question, "answer": CLIPS.answer})),
        (CLIPS, f"{CLIPS.question}\nIn May she sold 24, so in all 72.\n"),
        (CLIPS, f"3. {CLIPS.question}\nSeventy-two."),
        (CLIPS, f"Of clips. {CLIPS.question} It is 24 in May. #### 72"),
        (LOGARITHM, json.dumps(MATH)),
        (LOGARITHM, json.dumps(MATH, indent=4)),
        (LOGARITHM, f"Problem:\n{MATH['problem']}\n\nSolution:\n{MATH['solution']}"),
        (LOGARITHM, f"{MATH['problem']} {MATH['solution']}"),
        (
            FEVER,
            json.dumps(
                {
                    "id": "M_1",
                    "question": FEVER.question,
                    "choices": {"text": FEVER.options, "label": LABELS},
                    "answerKey": "B",
                }
            ),
        ),
        (
            PRIMES,
            json.dumps(
                {
                    "question": {
                        "stem": PRIMES.question,
                        "choices": [
                            {"text": text, "label": label}
                            for text, label in zip(PRIMES.options, LABELS, strict=True)
                        ],
                    },
                    "answerKey": "B",
                }
            ),
        ),
    ],
)
def test_published_layouts_are_read(item: Item, text: str) -> None:
    task = TaskConfig(name="logs", train="embedded:domain_train.jsonl")
    skill = SkillConfig(name="asked", path="embedded:skills/facts.jsonl")
    with pytest.raises(UserError, match="1 of its 1 questions"):
        refuse_training_items([(skill, [item])], task, [{"text": text}])
