"""The tokenizer of the embedded model: byte-level BPE with every digit a token, and a chat template."""

from collections.abc import Iterator
from itertools import islice

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from trainables.embedded.corpus import Skills, stream

USER, ASSISTANT, END, PAD = "<|user|>", "<|assistant|>", "<|end|>", "<|pad|>"

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}" + USER + "{{ message['content'] }}" + END + "{% endif %}"
    "{% if message['role'] == 'assistant' %}" + ASSISTANT + "{{ message['content'] }}" + END + "{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}" + ASSISTANT + "{% endif %}"
)

# Share of the tokenizer's text: enough of every kind that each name in the world becomes one token.
_SAMPLES = {
    "open": 30_000,
    "statement": 30_000,
    "choice": 20_000,
    "format": 15_000,
    "arithmetic": 2_000,
    "note": 15_000,
}


def _texts(skills: Skills, seed: int) -> Iterator[str]:
    for kind, count in _SAMPLES.items():
        for exchange in islice(stream(kind, skills, seed), count):
            yield exchange.user
            yield exchange.reply


def train_tokenizer(skills: Skills, seed: int, vocab_size: int, context: int) -> PreTrainedTokenizerFast:
    """Trains the tokenizer on the pretraining text; `context` is the longest input in tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, END, USER, ASSISTANT],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(skills, seed), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        model_max_length=context,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
