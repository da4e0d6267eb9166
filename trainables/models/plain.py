"""A model's tokenizer without transformers, which takes seconds to import: to read data before a start.

It is made of the same files by the same library underneath (`tokenizers`), where these files say all there is
to know; classes of transformers that do more of their own are left to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from trainables.errors import UserError
from trainables.models.folder.reading import optional_object, read_object
from trainables.models.folder.template import find_template
from trainables.models.folder.tokenizer import FILE, SETTINGS
from trainables.models.resolve import local_folder
from trainables.settings import ModelConfig

_CLASSES = ("TokenizersBackend", "PreTrainedTokenizerFast")
"""Classes of transformers that add nothing to the files."""

_MODELS = ("llama", "qwen3", "gemma2", "gemma3_text", "granite", "smollm3", "olmo2", "gpt2")
"""Types of models for which transformers takes the class that the tokenizer's files name."""

_NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_HARMLESS = {
    *_NAMED,
    "backend",
    "tokenizer_class",
    "model_max_length",
    "padding_side",
    "truncation_side",
    "extra_special_tokens",
    "chat_template",
    "is_local",
    "local_files_only",
}
_LEGACY = ("special_tokens_map.json", "added_tokens.json", "additional_chat_templates")
_MOST = 100_000
"""Tokens of vocabularies, above which transformers looks for a known fault of some."""


class Description(NamedTuple):
    """What a model's configuration says that tokens depend on.

    Attributes:
        rows: Of the token embedding.
        context: Tokens that the model can take.
    """

    rows: int
    context: int


class PlainTokenizer:
    """What `transformers` makes of the same files, as far as data are tokenised with it.

    Args:
        tokenizer: Of the library `tokenizers`.
        named: Special tokens by role, such as "eos_token".
        extra: Further special tokens.
        template: The chat template.

    Attributes:
        chat_template: The chat template; None where there is none.
    """

    def __init__(
        self, tokenizer: Any, named: Mapping[str, str], extra: Sequence[str], template: str | None
    ) -> None:
        self._tokenizer, self._named, self.chat_template = tokenizer, dict(named), template
        self.all_special_tokens = list(dict.fromkeys((*named.values(), *extra)))
        self.all_special_ids = [tokenizer.token_to_id(token) for token in self.all_special_tokens]

    @property
    def eos_token_id(self) -> int:
        """The end-of-sequence token."""
        return int(self._tokenizer.token_to_id(self._named["eos_token"]))

    @property
    def bos_token_id(self) -> int | None:
        """The beginning-of-sequence token, where there is one."""
        token = self._named.get("bos_token")
        return None if token is None else int(self._tokenizer.token_to_id(token))

    @property
    def added_tokens_decoder(self) -> Mapping[int, Any]:
        """Tokens that were added to the vocabulary, by id."""
        added: Mapping[int, Any] = self._tokenizer.get_added_tokens_decoder()
        return added

    def __call__(self, texts: str | list[str], add_special_tokens: bool = True) -> dict[str, Any]:
        """Token ids of a text, or of each of several, as `input_ids`."""
        if isinstance(texts, str):
            return {"input_ids": self._tokenizer.encode(texts, add_special_tokens=add_special_tokens).ids}
        encoded = self._tokenizer.encode_batch(texts, add_special_tokens=add_special_tokens)
        return {"input_ids": [each.ids for each in encoded]}

    def decode(
        self,
        ids: Sequence[int],
        skip_special_tokens: bool = False,
        clean_up_tokenization_spaces: bool = False,
    ) -> str:
        """Text of token ids; spaces are never cleaned up."""
        return str(
            self._tokenizer.decode([int(each) for each in ids], skip_special_tokens=skip_special_tokens)
        )

    def get_chat_template(self, name: None, tools: Any) -> str | None:
        """The only one that there is."""
        return self.chat_template

    def apply_chat_template(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Any] | None,
        chat_template: str,
        add_generation_prompt: bool,
        tokenize: bool,
    ) -> str:
        """Messages as text.

        Raises:
            jinja2.TemplateError: The template refuses them; a template may raise anything else as well.
        """
        text: str = _compiled(chat_template).render(
            **self._named,
            messages=[_spoken(message) for message in messages],
            tools=tools,
            documents=None,
            add_generation_prompt=add_generation_prompt,
        )
        return text


def plain_tokenizer(folder: Path) -> PlainTokenizer | None:
    """The tokenizer of a model's folder; None where its files leave anything to a class of transformers."""
    try:
        settings, content = optional_object(folder / SETTINGS), read_object(folder / FILE)
        return _made(folder, settings, content)
    except (UserError, OSError):
        return None  # the search says what is wrong with them


def reading_tokenizer(model: ModelConfig) -> tuple[Any, int | None]:
    """As `trainables.models.load.load_tokenizer` of a model, without torch where that gives the same.

    Raises:
        UserError: The tokenizer cannot be loaded.
    """
    folder = None if model.trust_remote_code else local_folder(model)
    described = None if folder is None else _description(folder)
    tokenizer = None if folder is None or described is None else plain_tokenizer(folder)
    if described is not None and tokenizer is not None and tokenizer.eos_token_id < described.rows:
        return tokenizer, described.context
    from trainables.models.load import fetch, load_tokenizer
    from trainables.models.resolve import resolve

    return load_tokenizer(fetch(resolve(model), model), model)


def _description(folder: Path) -> Description | None:
    """None where transformers would fill in what the configuration does not say itself."""
    try:
        config = read_object(folder / "config.json")
    except UserError:
        return None
    rows, context = config.get("vocab_size"), config.get("max_position_embeddings")
    if config.get("model_type") not in _MODELS or type(rows) is not int or type(context) is not int:
        return None
    return Description(rows, context)


def _made(folder: Path, settings: Mapping[str, Any], content: Mapping[str, Any]) -> PlainTokenizer | None:
    from tokenizers import Tokenizer

    named = {name: settings[name] for name in _NAMED if settings.get(name) is not None}
    extra = settings.get("extra_special_tokens") or []
    if not _is_plain(folder, settings, content, [*named.values(), *extra]) or "eos_token" not in named:
        return None
    named.setdefault("pad_token", named["eos_token"])
    template = find_template(folder, settings)
    try:
        tokenizer = Tokenizer.from_file(str(folder / FILE))
    except Exception:  # noqa: BLE001 - the library raises nothing more particular
        return None
    made = PlainTokenizer(tokenizer, named, extra, None if template is None else template[1])
    known = {*made("1 a", add_special_tokens=False)["input_ids"]} - {
        tokenizer.token_to_id(named.get("unk_token", ""))
    }
    return made if known and tokenizer.get_vocab_size() <= _MOST else None


def _is_plain(
    folder: Path, settings: Mapping[str, Any], content: Mapping[str, Any], special: Sequence[Any]
) -> bool:
    """Whether a generic class would load these files, and change nothing of what they say."""
    cleans = settings.get("clean_up_tokenization_spaces", False)
    marked = {token.get("content") for token in content.get("added_tokens") or () if token.get("special")}
    return (
        settings.get("tokenizer_class") in _CLASSES
        and not (settings.keys() - _HARMLESS - {"clean_up_tokenization_spaces"})
        and cleans is False
        and not any((folder / name).exists() for name in _LEGACY)
        and all(isinstance(token, str) and token in marked for token in special)
        and content.get("truncation") is None
        and content.get("padding") is None
        and not isinstance(settings.get("chat_template"), list)
    )


_REASONING = ("reasoning_content", "thinking", "reasoning")


def _spoken(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message as templates get it: without what is None, its thoughts under every name that is read."""
    given = {key: value for key, value in message.items() if value is not None}
    thoughts = next((given[key] for key in _REASONING if key in given), None)
    return given if thoughts is None else {"thinking": thoughts, **given, "reasoning_content": thoughts}


@cache
def _compiled(template: str) -> Any:
    from trainables.models.folder.render import environment

    return environment().from_string(template)
