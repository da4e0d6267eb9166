"""What a task asks of a model, as tokens by the rules of lm-evaluation-harness (its `HFLM`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainables.errors import UserError


class HarnessTokens:
    """A tokenizer under the harness's rules.

    Args:
        tokenizer: The model's.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        bos = tokenizer.bos_token_id
        self.prefix = int(tokenizer.eos_token_id if bos is None else bos)
        """Text that the template writes before the first message."""
        self._prefix_text = str(tokenizer.decode(self.prefix))
        self._known: dict[str, list[int]] = {}

    def whole(self, text: str) -> list[int]:
        """A text with the special tokens that the tokenizer adds, except to one that begins with its own."""
        if text in self._known:
            return list(self._known[text])
        if text.startswith(self._prefix_text):
            return self.bare(text)
        return list(self._tokenizer.encode(text))

    def read_ahead(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Makes the tokens of contexts and continuations that `pair` will be asked for, all at once.

        A tokenizer is several times as fast with many texts as with one after another. What was read
        before is forgotten.
        """
        texts = {
            text for context, continuation in pairs for text in (context.rstrip(), context + continuation)
        }
        plain = [text for text in texts if text and not text.startswith(self._prefix_text)]
        self._known = dict(zip(plain, self._tokenizer(plain)["input_ids"], strict=True)) if plain else {}

    def bare(self, text: str) -> list[int]:
        """A text without them."""
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def prompt(self, text: str) -> list[int]:
        """A text to be continued by generation."""
        bos = self._tokenizer.bos_token
        return (
            self.bare(text)
            if bos is not None and text.startswith(bos)
            else list(self._tokenizer.encode(text))
        )

    def pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """A context and its continuation, which are tokenised as one text and then parted.

        Spaces at the end of the context go with the continuation, as they do in the text that a
        tokenizer was trained on.
        """
        if not context:
            ids = self.bare(continuation)
            return (ids[:1], ids[1:]) if ids[:1] == [self.prefix] else ([self.prefix], ids)
        kept = context.rstrip()
        continuation, context = context[len(kept) :] + continuation, kept
        before = self.whole(context)
        return before or [self.prefix], self.whole(context + continuation)[len(before) :]

    def text(self, ids: list[int]) -> str:
        """Generated tokens as text, without special tokens."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))

    @property
    def end(self) -> str:
        """The text of the token that ends a reply."""
        return str(self._tokenizer.decode(self._tokenizer.eos_token_id, skip_special_tokens=False))


REPLY_TOKENS = 256
"""Length of a reply, at most, where a task does not say (that of `HFLM`)."""

_GREEDY = {"until", "do_sample", "temperature", "top_p", "top_k", "seed"}  # they change nothing, but `until`
_LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")


@dataclass(frozen=True)
class Window:
    """The log-probability of a target after a context is asked for."""

    context: tuple[int, ...]
    target: tuple[int, ...]


@dataclass(frozen=True)
class Generation:
    """The greedy continuation of a prompt is asked for, up to any of some texts."""

    prompt: tuple[int, ...]
    until: tuple[str, ...]
    most: int


Request = Window | Generation | list[Window]
"""One request of a document; for a long text, the windows that it is cut into."""


class Requests:
    """Turns a task's instances into tokens.

    Args:
        tokens: The tokenizer under the harness's rules.
        context: Tokens that the model can take.
        key: Configuration key, for messages.
    """

    def __init__(self, tokens: HarnessTokens, context: int, key: str) -> None:
        self._tokens = tokens
        self._context = context
        self._key = key
        self._makers: Mapping[str, Callable[..., Request]] = {
            "loglikelihood": self._likelihood,
            "loglikelihood_rolling": self._rolling,
            "generate_until": self._generation,
        }

    def make(self, instances: Sequence[Any]) -> list[Request]:
        """The tokens of `lm_eval` instances; contexts too long lose their beginning, as in the harness.

        Raises:
            UserError: The instance's kind is not known, its answer is empty or longer than the model's
                context, or it is to be generated by other means than greedily.
        """
        self._tokens.read_ahead(each.args for each in instances if each.request_type == "loglikelihood")
        made = [self._one(instance) for instance in instances]
        self._tokens.read_ahead(())
        return made

    def _one(self, instance: Any) -> Request:
        maker = self._makers.get(instance.request_type)
        if maker is None:
            raise UserError(
                f"{self._key}: the task asks for {instance.request_type}, which is not supported.",
                hint=f"Choose a task of {', '.join(self._makers)} or multiple_choice.",
            )
        return maker(*instance.args)

    def _likelihood(self, context: str, continuation: str) -> Window:
        return self._window(*self._tokens.pair(context, continuation))

    def _rolling(self, text: str) -> list[Window]:
        from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

        windows = get_rolling_token_windows(
            token_list=self._tokens.whole(text),
            prefix_token=self._tokens.prefix,
            max_seq_len=self._context,
            context_len=1,
        )
        return [self._window(*make_disjoint_window(window)) for window in windows]

    def _window(self, context: list[int], target: list[int]) -> Window:
        if not 0 < len(target) <= self._context:
            raise UserError(
                f"{self._key}: an answer takes {len(target)} tokens, and the model's context is "
                f"{self._context}.",
                hint="Remove empty and overlong answers in the task's process_docs.",
            )
        # The last token is no input, so that there is room for one more.
        return Window(tuple(context[-(self._context + 1 - len(target)) :]), tuple(target))

    def _generation(self, prompt: str, options: Mapping[str, Any]) -> Generation:
        until = options.get("until") or []
        most = int(next((options[name] for name in _LENGTHS if options.get(name) is not None), REPLY_TOKENS))
        sampled = options.get("do_sample") or (
            options.get("do_sample") is None and float(options.get("temperature", 0)) > 0
        )
        if sampled or not options.keys() <= {*_GREEDY, *_LENGTHS}:
            raise UserError(
                f"{self._key}: the task generates with {dict(options)}, but replies are generated greedily.",
                hint="Choose a task that is scored on one greedy reply, or copy it with do_sample: false.",
            )
        if not 0 < most < self._context:
            raise UserError(
                f"{self._key}: replies of {most} tokens leave no room for a question in a context of "
                f"{self._context}.",
                hint="Set max_gen_toks in the task's generation_kwargs.",
            )
        stops = [until] if isinstance(until, str) else list(until)
        ids = self._tokens.prompt(prompt)[-(self._context - most) :]
        return Generation(tuple(ids), tuple(stop for stop in [*stops, self._tokens.end] if stop), most)
