"""What is learned of conversations, token by token, on kinds of tokenizers and families of templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from tests.trainables.chat_tokenizers import (
    CHATML,
    GEMMA,
    GENERATION,
    KINDS,
    MISTRAL,
    QWEN3,
    R1,
    TEMPLATES,
    TEXT,
    TOOLS,
    UNENDED,
    tokenizer,
)
from trainables.data.asking import Asking
from trainables.data.blocks import BLOCK, block_ids
from trainables.data.encode import plain_ids
from trainables.data.examples import Example
from trainables.data.formats import FORMATS
from trainables.data.messages import conversation_of
from trainables.data.tokenise import Tokeniser
from trainables.data.units import Conversation, Document, Pair, TaughtPair, Unit
from trainables.errors import UserError
from trainables.models.preparers import cache_dir
from trainables.settings import TaskConfig

TURNS = (
    {"role": "user", "content": "What is the watch like?"},
    {"role": "assistant", "content": "It is calm."},
    {"role": "user", "content": "12 + 7?"},
    {"role": "assistant", "content": "19"},
)


def examples(made: Any, *units: Unit, **task: Any) -> list[Example]:
    """The examples of records, whole."""
    given_task = TaskConfig.model_validate({"name": "task", "train": "unused.jsonl", **task})
    return [one for group in Tokeniser(made, given_task)(units, str).cut(10_000).groups for one in group]


def targets(made: Any, example: Example) -> list[str]:
    """The text of each run of targets."""
    edges = np.flatnonzero(np.diff(example.loss_mask, prepend=False, append=False))
    return [
        made.decode(example.input_ids[start:end]) for start, end in zip(edges[::2], edges[1::2], strict=True)
    ]


def ids_of(made: Any, messages: Sequence[dict[str, Any]], **options: Any) -> list[int]:
    return plain_ids(made, made.apply_chat_template(list(messages), tokenize=False, **options))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TEMPLATES)
def test_every_turn_is_learned_with_the_end_that_the_template_writes(name: str, kind: str) -> None:
    template, end = TEMPLATES[name]
    made = tokenizer(kind, template)
    found = examples(made, Conversation(TURNS))
    learned = [part for example in found for part in targets(made, example)]
    assert len(learned) == 2
    for part, wanted in zip(learned, ("It is calm.", "19"), strict=True):
        content = part.removesuffix(end)
        assert content != part
        assert content.split() == made.decode(plain_ids(made, wanted)).split() or wanted in content
        assert "watch like" not in part
    # The targets' last token is what generation stops at, and what a reply's likelihood ends with.
    for example in found:
        assert example.input_ids[example.loss_mask][-1] == Asking(made).end
        assert example.loss_mask[-1]
        assert not example.loss_mask[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TEMPLATES)
def test_what_stands_before_a_reply_is_what_a_model_is_asked_with(name: str, kind: str) -> None:
    made = tokenizer(kind, TEMPLATES[name][0])
    pair = Pair("What is the watch like?", "It is calm.", "unused")
    (example,) = examples(made, pair)
    prompt, (reply,) = Asking(made).replies(pair.prompt, [pair.completion])
    assert [*prompt, *reply] == example.input_ids.tolist()
    assert Asking(made).prompt(pair.prompt) == prompt
    assert example.loss_mask[len(prompt) :].all()
    assert "think" not in made.decode(reply)
    # What the template writes before every reply is learned, unless the prompt for it ends so already.
    start = int(example.loss_mask.argmax())
    thinking = Asking(made, thinks=True).prompt(pair.prompt)
    if name not in ("ended", "shut"):  # whose prompts end a thought, which is opened again to think
        assert example.input_ids[: min(start, len(thinking))].tolist() == thinking[:start]
        if name not in ("r1", "opened", "stubbed"):
            assert start == len(thinking)
        if name != "llama3":  # whose template writes the day
            assert thinking == ids_of(made, TURNS[:1], add_generation_prompt=True)


SHORT = ["in", "k", "on", "a", "s", "A", "think", "i", "_", "<", "assistant", "Yes", "Paris"]


@pytest.mark.parametrize("name", [*TEMPLATES, "unended"])
@pytest.mark.parametrize("message", ["hi", "in", "think", "<", "Q", " "])
def test_texts_that_marks_contain_are_kept_apart_from_them(name: str, message: str) -> None:
    made = tokenizer("bytes", TEMPLATES.get(name, (UNENDED,))[0])
    prompt, replies = Asking(made).replies(message, SHORT)
    assert [made.decode(reply).strip() for reply in replies] == [
        f"{text}{made.decode([Asking(made).end])}" for text in SHORT
    ]
    assert prompt == Asking(made).prompt(message)
    for text in SHORT:
        (example,) = examples(made, TaughtPair(message, text, "unused", "target"))
        assert targets(made, example)[0].strip() == f"{text}{made.decode([Asking(made).end])}"


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_are_those_of_the_library(kind: str) -> None:
    made = tokenizer(kind, GENERATION)
    (example,) = examples(made, Conversation(TURNS))
    known = made.apply_chat_template(
        list(TURNS), tokenize=True, return_dict=True, return_assistant_tokens_mask=True
    )
    length = len(example.input_ids)
    assert example.input_ids.tolist() == known["input_ids"][:length]
    assert example.loss_mask.tolist() == [bool(one) for one in known["assistant_masks"][:length]]
    assert not any(known["assistant_masks"][length:])


CONTENT = st.text(st.sampled_from("ab c.\n東😀é  </"), max_size=8)


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["bytes", "unigram"]),
    st.sampled_from([CHATML, QWEN3, MISTRAL, GEMMA]),
    st.lists(st.tuples(CONTENT, CONTENT), min_size=1, max_size=3),
    st.sampled_from(["assistant", "last"]),
)
def test_any_conversation_is_learned_turn_by_turn(
    kind: str, template: str, turns: list[tuple[str, str]], loss: str
) -> None:
    made = tokenizer(kind, template)
    messages = tuple(
        {"role": role, "content": content}
        for pair in turns
        for role, content in zip(("user", "assistant"), pair, strict=True)
    )
    found = examples(made, Conversation(messages), loss=loss)
    ends = sum(int((one.input_ids[one.loss_mask] == Asking(made).end).sum()) for one in found)
    assert ends == (1 if loss == "last" else len(turns))
    for one in found:
        assert one.loss_mask[-1]
        whole = ids_of(made, messages)
        if len(found) == 1 and loss == "assistant":
            assert made.decode(whole).startswith(made.decode(one.input_ids))


def test_a_template_that_rewrites_earlier_turns_gets_a_text_for_each() -> None:
    made = tokenizer("bytes", QWEN3)
    thinking = tuple(
        message | {"content": f"<think>\nabout it\n</think>\n\n{message['content']}"}
        if message["role"] == "assistant"
        else message
        for message in TURNS
    )
    first, second = examples(made, Conversation(thinking))
    assert targets(made, first) == ["<think>\nabout it\n</think>\n\nIt is calm.<|im_end|>"]
    assert targets(made, second) == ["<think>\nabout it\n</think>\n\n19<|im_end|>"]
    assert "It is calm." in made.decode(second.input_ids)
    assert made.decode(second.input_ids).count("about it") == 1
    (only,) = examples(made, Conversation(thinking), loss="last")
    assert only.input_ids.tolist() == second.input_ids.tolist()


HM = "<think>\nhm\n</think>\n\n"


@pytest.mark.parametrize("field", [None, "reasoning_content", "thinking"])
@pytest.mark.parametrize(
    ("name", "context", "target"),
    [
        ("qwen3", "<|im_start|>assistant\n", f"{HM}Fine.<|im_end|>"),
        ("opened", "<|im_start|>assistant\n<think>\n", "hm\n</think>\n\nFine.<|im_end|>"),
        ("r1", "<|assistant|><think>\n", "hm\n</think>\n\nFine.</s>"),
        ("ended", "<|im_start|>assistant\n<think>\n", "hm\n</think>\n\nFine.<|im_end|>"),
        ("shut", "<|assistant|><think>", "\nhm\n</think>\n\nFine.</s>"),
        ("stubbed", "<|im_start|>assistant\n<think>\n", "hm\n</think>\nFine.<|im_end|>"),
        ("chatml", "<|im_start|>assistant\n", f"{HM}Fine.<|im_end|>"),  # it knows no thoughts
        ("mistral", "[/INST]", f" {HM}Fine.</s>"),
    ],
)
def test_thoughts_are_learned_whatever_field_they_are_in(
    name: str, context: str, target: str, field: str | None
) -> None:
    made = tokenizer("bytes", TEMPLATES[name][0])
    reply = {"content": f"{HM}Fine."} if field is None else {"content": "Fine.", field: "hm"}
    turn = {"role": "assistant", **reply}
    for before in ((), TURNS[:2]):
        *_, example = examples(made, Conversation((*before, TURNS[2], turn)))
        assert targets(made, example)[-1] == target
        learned = len(plain_ids(made, target))
        assert made.decode(example.input_ids[:-learned]).endswith(context)
        prompt = Asking(made, thinks=True).turns([each["content"] for each in (*before, TURNS[2])])
        assert example.input_ids[: len(prompt)].tolist() == prompt
    assert "hm" not in made.decode(Asking(made).prompt("12 + 7?"))


def test_a_thought_is_learned_in_the_template_s_own_form() -> None:
    made = tokenizer("bytes", TEMPLATES["harmony"][0])
    for turn in ({"content": "Fine.", "thinking": "hm"}, {"content": "Fine.", "reasoning_content": "hm"}):
        (example,) = examples(made, Conversation((TURNS[0], {"role": "assistant", **turn})))
        assert targets(made, example) == [
            "<|header|>analysis<|/header|>hm<|end|><|im_start|>assistant<|header|>final<|/header|>Fine.<|eot|>"
        ]


@pytest.mark.parametrize("content", ["Fine.", "<think>\n\n</think>\n\nFine.", "<b>Fine.</b>"])
def test_a_thought_that_only_the_prompt_opens_is_closed_and_no_target(content: str) -> None:
    made = tokenizer("bytes", R1)
    (example,) = examples(made, Conversation((TURNS[0], {"role": "assistant", "content": content})))
    assert targets(made, example) == [content.rpartition("</think>\n\n")[2] + "</s>"]
    assert made.decode(example.input_ids).count("<think>\n\n</think>\n\n") == 1
    assert Asking(made).prompt(TURNS[0]["content"]) == example.input_ids[~example.loss_mask].tolist()


def test_without_a_mark_for_the_end_of_a_turn_the_text_ends_with_the_tokenizer_s() -> None:
    made = tokenizer("bytes", UNENDED)
    (example,) = examples(made, Conversation(TURNS))
    assert targets(made, example) == ["It is calm.", "19</s>"]
    assert Asking(made).end == made.eos_token_id


@pytest.mark.parametrize(
    ("template", "messages", "reason"),
    [
        (GEMMA, ({"role": "system", "content": "Be brief."}, *TURNS), "System role not supported"),
        (GEMMA, (TURNS[0], *TURNS), "must alternate"),
        (R1, ({"role": "system", "content": "Be brief."}, *TURNS), None),
        (
            "{% for m in messages if m['role'] != 'system' %}{{ m['content'] }}</s>{% endfor %}",
            ({"role": "system", "content": "Be brief."}, *TURNS),
            "system, which the model's chat template omits",
        ),
        ("{{ messages[0].content | nothing }}", TURNS, "refused by the model's chat template"),
        ("{{ 1 / 0 }}", TURNS, "refused by the model's chat template: division by zero"),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", TURNS, "refused by .*: maximum recursion depth"),
        ("{% for i in range(10 ** 9) %}{% endfor %}", TURNS, "refused by the model's chat template"),
        (
            "{% for m in messages %}{{ m['content'] if m['role'] == 'user' }}</s>{% endfor %}",
            TURNS,
            "has a reply, which the model's chat template omits",
        ),
    ],
)
def test_what_a_template_cannot_put_is_refused_with_the_record(
    template: str, messages: tuple[dict[str, Any], ...], reason: str | None
) -> None:
    made = tokenizer("bytes", template)
    if reason is None:
        assert examples(made, Conversation(messages))
        return
    with pytest.raises(UserError, match=f"^7 .*{reason}"):
        Tokeniser(made, TaskConfig(name="task", train="unused"))([Conversation(messages)], lambda row: "7")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("weight", (1, 0, 1, 1)),
        ("weight", (1, 0.0, 1, 1.0)),
        ("train", (True, False, False, True)),
        ("training", (1, "false", 0, "yes")),
        ("loss", (0.35, False, 0, 0)),  # where numbers are those of a model
    ],
)
def test_turns_of_weight_0_are_context(name: str, values: tuple[Any, ...]) -> None:
    weighed = [{**turn, name: value} for turn, value in zip(TURNS, values, strict=True)]
    made = tokenizer("bytes", CHATML)
    (example,) = examples(made, conversation_of({"messages": weighed}, "messages"))
    assert targets(made, example) == ["19<|im_end|>"]


def test_a_greeting_that_replies_to_nothing_is_context() -> None:
    made = tokenizer("bytes", CHATML)
    (example,) = examples(made, Conversation(({"role": "assistant", "content": "Hello!"}, *TURNS)))
    assert targets(made, example) == ["It is calm.<|im_end|>", "19<|im_end|>"]
    assert "Hello!" in made.decode(example.input_ids)


CALL = {"type": "function", "function": {"name": "forecast", "arguments": {"city": "Oslo"}}}
CALLING = (
    TURNS[0],
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "content": "fog"},
    {"role": "assistant", "content": "Fog."},
)
SCHEMA = ({"type": "function", "function": {"name": "forecast"}},)


def test_calls_of_tools_are_learned_where_the_template_writes_them() -> None:
    made = tokenizer("bytes", TOOLS)
    found = examples(made, Conversation(CALLING, SCHEMA))
    learned = [part for example in found for part in targets(made, example)]
    assert '"forecast"' in learned[0]
    assert learned[0].endswith("</tool_call><|im_end|>")
    assert learned[1].endswith("Fog.<|im_end|>")
    assert made.decode(found[0].input_ids).startswith("<|im_start|>system\n[")
    for template in (CHATML, QWEN3):  # one writes no calls, the other no tools
        with pytest.raises(UserError, match="omits"):
            examples(tokenizer("bytes", template), Conversation(CALLING, SCHEMA))


@pytest.mark.parametrize("content", ["", None])
def test_a_call_in_the_form_before_tool_calls_is_read(content: str | None) -> None:
    called = {"name": "forecast", "arguments": '{"city": "Oslo"}'}
    messages = [TURNS[0], {"role": "assistant", "content": content, "function_call": called}]
    (unit, known) = (
        conversation_of({"messages": said}, "messages")
        for said in (messages, [TURNS[0], {"role": "assistant", "content": "", "tool_calls": [CALL]}])
    )
    assert unit == known


@pytest.mark.parametrize("result", ['{"city": "Zürich", "in": "\\\\"}', {"t": 1}, [{"t": 1}], "<3 °C>"])
@pytest.mark.parametrize("form", ["content", "content | tojson", "content | tojson | tojson", "content | e"])
def test_results_of_tools_are_learned_from_in_any_form(result: Any, form: str) -> None:
    template = TOOLS.replace(
        "{{ content }}", "{% if m['role'] == 'tool' %}{{ FORM }}{% else %}{{ content }}{% endif %}"
    )
    called = [*CALLING[:2], {"role": "tool", "content": result}, CALLING[3]]
    conversation = conversation_of({"messages": called, "tools": [*SCHEMA]}, "messages")
    made = tokenizer("bytes", template.replace("FORM", form))
    *_, example = examples(made, conversation)
    assert targets(made, example)[-1].endswith("Fog.<|im_end|>")
    with pytest.raises(UserError, match="of the role tool, which the model's chat template omits"):
        examples(tokenizer("bytes", template.replace("FORM", "''")), conversation)


def test_the_day_is_not_in_the_data() -> None:
    made = tokenizer("bytes", TEMPLATES["llama3"][0])
    (example,) = examples(made, Conversation(TURNS))
    assert "Today: 26 Jul 2024 2024" in made.decode(example.input_ids)


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_template_a_text_begins_and_ends_once(kind: str) -> None:
    made = tokenizer(kind)
    (text,) = examples(made, Document("The lamp is trimmed."))
    (pair,) = examples(made, Pair("unused", "It is calm.", "What is it like? "))
    begins = 0 if kind == "unigram" else 1
    for example in (text, pair):
        ids = example.input_ids.tolist()
        assert ids.count(made.bos_token_id) == begins
        assert ids[:begins] == [made.bos_token_id] * begins
        assert ids.count(made.eos_token_id) == 1
        assert ids[-1] == made.eos_token_id
    assert targets(made, pair)[0].replace(" ", "") == "Itiscalm.</s>"
    assert made.eos_token_id not in Asking(made).prompt("What is it like?")
    prompt, (reply,) = Asking(made).replies("What is it like? ", ["It is calm."])
    assert [*prompt, *reply] == pair.input_ids.tolist()


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"unigram"}))
def test_a_text_that_has_the_marks_of_its_ends_gets_no_second_ones(kind: str) -> None:
    made = tokenizer(kind)
    units: Sequence[Unit] = (
        Document("<s>The lamp is trimmed.</s>"),
        Pair("unused", "It is calm.</s>", "<s>What is it like? "),
    )
    for unit in units:
        (example,) = examples(made, unit)
        ids = example.input_ids.tolist()
        assert (ids.count(made.bos_token_id), ids.count(made.eos_token_id)) == (1, 1)
        assert (ids[0], ids[-1]) == (made.bos_token_id, made.eos_token_id)
        assert example.loss_mask[-1]
    assert targets(made, example)[0].replace(" ", "") == "Itiscalm.</s>"
    prompt, _ = Asking(made).replies("<s>What is it like?", ["It is calm."])
    assert prompt == Asking(made).prompt("<s>What is it like?") == Asking(made).prompt("What is it like?")


def test_without_a_template_a_question_is_parted_from_its_reply_as_in_training() -> None:
    made = tokenizer("bytes")
    form = FORMATS["question"]
    task = TaskConfig(name="task", train="unused")
    unit = form.make({"question": "What is it like?", "answer": "It is calm."}, task)
    (example,) = examples(made, unit)
    prompt, (reply,) = Asking(made).replies("What is it like?", ["It is calm."])
    assert [*prompt, *reply] == example.input_ids.tolist()
    assert Asking(made).prompt("What is it like?") == prompt
    # A break of one's own is kept.
    assert made.decode(Asking(made).prompt("It is like ")) == "<s>It is like "
    assert made.decode(Asking(made).replies("It is", [" calm", " wet"])[0]) == "<s>It is"


@pytest.mark.parametrize("kind", KINDS)
def test_every_piece_of_a_text_begins_as_texts_do(kind: str) -> None:
    made = tokenizer(kind)
    task = TaskConfig(name="task", train="unused")
    words = "The keeper writes down what he sees and the lamp is trimmed. " * 5
    for tokenised, text in (
        (Tokeniser(made, task)([Document(words)], str), words),
        (Tokeniser(made, task).stream([words, "Calm."]), f"{words}\n\nCalm.\n\n"),
    ):
        pieces = [one for group in tokenised.cut(16).groups for one in group]
        assert len(pieces) > 3
        assert all(len(one.input_ids) <= 16 for one in pieces)
        for one in pieces:
            begins = one.input_ids[0] == made.bos_token_id
            assert begins == (kind != "unigram")
            assert one.loss_mask.tolist() == [False, *[True] * (len(one.input_ids) - 1)]
        inner = [token for one in pieces for token in one.input_ids.tolist() if token != made.bos_token_id]
        assert [token for token in inner if token != made.eos_token_id] == plain_ids(made, text)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("between", ["\n\n", "\n", " ", "\n\n\n  ", "\r\n\r\n"])
@pytest.mark.parametrize("size", [160, 333, 100_000])
def test_a_long_text_has_the_same_tokens_block_by_block(kind: str, between: str, size: int) -> None:
    made = tokenizer(kind)
    text = between.join(TEXT * 8) + between
    assert block_ids(made, text, size).tolist() == plain_ids(made, text)


def test_plain_text_is_tokenised_in_blocks() -> None:
    made, given = tokenizer("bytes"), []

    class Watched:
        def __getattr__(self, name: str) -> Any:
            return getattr(made, name)

        def __call__(self, texts: Any, **options: Any) -> Any:
            given.extend([texts] if isinstance(texts, str) else texts)
            return made(texts, **options)

    paragraphs = TEXT * (3 * BLOCK // sum(map(len, TEXT)))
    tokenised = Tokeniser(Watched(), TaskConfig(name="task", train="unused")).stream(paragraphs)
    assert max(map(len, given)) <= BLOCK + 1
    assert tokenised.lengths == [1 + len(plain_ids(made, "\n\n".join(paragraphs) + "\n\n"))]


def test_a_text_without_breaks_is_divided_all_the_same() -> None:
    made = tokenizer("bytes")
    ids = block_ids(made, "calm" * 100, 50)
    assert made.decode(ids) == "calm" * 100
    assert block_ids(made, "").tolist() == []


def test_a_real_template_on_its_own_tokenizer() -> None:
    folder = cache_dir() / "models" / "smollm2"
    if not (folder / "tokenizer.json").is_file():
        pytest.skip("SmolLM2 is not prepared on this machine (model=smollm2 does it)")
    made = AutoTokenizer.from_pretrained(folder)
    (example,) = examples(made, Conversation(({"role": "system", "content": "Be brief."}, *TURNS)))
    messages = [{"role": "system", "content": "Be brief."}, *TURNS]
    known = made.apply_chat_template(messages, tokenize=True, return_dict=True)["input_ids"]
    assert example.input_ids.tolist() == known[: len(example.input_ids)]
    assert made.decode(known[len(example.input_ids) :]) == "\n"
    assert targets(made, example) == ["It is calm.<|im_end|>", "19<|im_end|>"]


def test_generation_stops_at_every_end_there_is() -> None:
    made = tokenizer("bytes", GEMMA)
    end, eos, other = (made.convert_tokens_to_ids(mark) for mark in ("<end_of_turn>", "</s>", "<|eot|>"))
    assert Asking(made).end == end
    assert Asking(made).ends([eos, other]) == {end, eos, other}
    assert Asking(made).ends(None) == {end, eos}
    assert Asking(tokenizer("bytes")).ends(other) == {eos, other}


def test_messages_need_a_template() -> None:
    with pytest.raises(UserError, match="no chat template"):
        examples(tokenizer("bytes"), Conversation(TURNS))
