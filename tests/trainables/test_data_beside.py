"""What stands beside a prompt and its reply is learned from by every model, as far as it can take it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.trainables.chat_tokenizers import CHATML, GEMMA, KINDS, MISTRAL, QWEN3, TOOLS, tokenizer
from trainables.data.asking import Asking, InContext
from trainables.data.formats import FORMATS
from trainables.data.tokenise import Tokenised, Tokeniser
from trainables.settings import TaskConfig

TASK = TaskConfig(name="task", train="unused", loss="last")
TOOL = {"type": "function", "function": {"name": "forecast", "parameters": {}}}
RECORD: dict[str, Any] = {"question": "What is it like?", "answer": "It is calm.", "system": "Be brief."}
BEFORE = [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Nobody."}]
HISTORY = {"history": [["Who?", "Nobody."]]}


def tokenised(made: Any, **beside: Any) -> tuple[Tokenised, str]:
    """A question with what stands beside it, and its text as the model sees it."""
    unit = FORMATS["question"].make(RECORD | beside, TASK)
    result = Tokeniser(made, TASK)([unit], str)  # type: ignore[list-item]
    (((ids, _),),) = result.groups
    return result, made.decode(ids)


def learned(made: Any, result: Tokenised) -> list[str]:
    (((ids, mask),),) = result.groups
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False))
    return [made.decode(ids[start:end]) for start, end in zip(edges[::2], edges[1::2], strict=True)]


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_template_it_is_text_before_the_prompt(kind: str) -> None:
    made = tokenizer(kind)
    result, text = tokenised(made, tools=[TOOL], **HISTORY)
    (((ids, _),),) = result.groups
    facts = InContext("Be brief.", "system")
    prompt = Asking(made, facts).turns(["Who?", "Nobody.", "What is it like?"])
    assert ids[: len(prompt)].tolist() == prompt  # as a model is asked
    assert learned(made, result) == [made.decode(ids[len(prompt) :])]
    assert result.unused == {"tools"}
    if kind == "bytes":
        assert text == "<s>Be brief.\n\nWho?\nNobody.\nWhat is it like?\nIt is calm.</s>"
        assert tokenised(made)[1] == "<s>Be brief.\n\nWhat is it like?\nIt is calm.</s>"


@pytest.mark.parametrize("template", [CHATML, GEMMA, MISTRAL, QWEN3, TOOLS])
@pytest.mark.parametrize("history", [[], BEFORE])
def test_a_template_gets_what_it_takes(template: str, history: list[dict[str, str]]) -> None:
    made = tokenizer("bytes", template)
    result, text = tokenised(made, tools=[TOOL], history=history)
    _, alone = tokenised(made, system="", history=history)
    system = template in (CHATML, QWEN3, TOOLS)
    asked = history[0]["content"] if history else "What is it like?"
    assert text.count("Be brief.") == 1
    assert (f"Be brief.\n\n{asked}" in text) == (not system)
    if not system:  # and nothing else is changed
        assert text.replace("Be brief.\n\n", "") == alone
    assert ("forecast" in text, result.unused) == ((True, set()) if template == TOOLS else (False, {"tools"}))
    assert "It is calm." in "".join(learned(made, result))
    assert result.blank == 0
    assert tokenised(made, answer=" ")[0].blank == 1


def test_a_template_that_refuses_tools_of_this_form_does_without_them() -> None:
    asks = "{% for tool in tools or [] %}{{ tool.function.name | upper }}{{ tool.lamp + 1 }}{% endfor %}"
    result, text = tokenised(tokenizer("bytes", asks + CHATML), tools=[TOOL])
    assert (result.unused, "FORECAST" in text) == ({"tools"}, False)
