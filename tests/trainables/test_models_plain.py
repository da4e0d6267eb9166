"""Tokenizers without transformers: the same tokens, texts and counts as with it, or none at all."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from search.config.load import load_config
from tests.trainables.chat_tokenizers import KINDS, MARKS, TEMPLATES, TEXT, TOOLS, tokenizer
from trainables import embedded
from trainables.data import task as task_data
from trainables.data.chat import Chat
from trainables.data.encode import OwnSpecials, special_ids, start_ids
from trainables.data.units import WrongRecord
from trainables.models.load import fetch, load_tokenizer
from trainables.models.plain import _MODELS, PlainTokenizer, plain_tokenizer, reading_tokenizer
from trainables.models.resolve import ResolvedModel, resolve
from trainables.settings import ModelConfig
from trainables.specs import TRAINABLES

ALL = {**{name: template for name, (template, _) in TEMPLATES.items()}, "tools": TOOLS}


def saved(folder: Path, kind: str, template: str | None) -> Path:
    """A model's folder with such a tokenizer."""
    tokenizer(kind, template).save_pretrained(folder)
    config = {"model_type": "llama", "vocab_size": 1000, "max_position_embeddings": 77}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@cache
def both(place: Path, kind: str, template: str) -> tuple[PlainTokenizer, Any]:
    folder = saved(place / f"{kind} {template}", kind, ALL[template])
    model = ModelConfig(name="small", source=str(folder))
    slow, context = load_tokenizer(ResolvedModel(str(folder), None, ""), model)
    fast, same = reading_tokenizer(model)
    assert isinstance(fast, PlainTokenizer)
    assert same == context == 77
    return fast, slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plain")


TEXTS = st.lists(st.one_of(st.sampled_from((*TEXT, *MARKS)), st.text(max_size=12)), max_size=4).map("".join)


@given(text=TEXTS, kind=st.sampled_from(KINDS))
def test_tokens_and_texts_are_those_of_transformers(text: str, kind: str, place: Path) -> None:
    fast, slow = both(place, kind, "chatml")
    for own in (False, True):
        assert (
            fast(text, add_special_tokens=own)["input_ids"] == slow(text, add_special_tokens=own)["input_ids"]
        )
        several = [text, "", TEXT[0]]
        assert (
            fast(several, add_special_tokens=own)["input_ids"]
            == slow(several, add_special_tokens=own)["input_ids"]
        )
    ids = slow(text)["input_ids"]
    for skip in (False, True):
        assert fast.decode(ids, skip_special_tokens=skip) == slow.decode(
            ids, skip_special_tokens=skip, clean_up_tokenization_spaces=False
        )


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_are_those_of_transformers(kind: str, place: Path) -> None:
    fast, slow = both(place, kind, "llama3")
    assert OwnSpecials.of(fast) == OwnSpecials.of(slow)
    assert start_ids(fast) == start_ids(slow)
    assert special_ids(fast) == special_ids(slow)
    assert (fast.eos_token_id, fast.bos_token_id) == (slow.eos_token_id, slow.bos_token_id)


MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant"]), "content": TEXTS},
        optional={"reasoning_content": st.one_of(st.none(), TEXTS), "thinking": TEXTS},
    ),
    min_size=1,
    max_size=4,
)
TOOL = {"type": "function", "function": {"name": "find", "description": "Söker", "parameters": {}}}


def written(tokenizer: Any, messages: Any, tools: Any, prompt: bool) -> str:
    try:
        return Chat(tokenizer).write(messages, tools, prompt=prompt)
    except WrongRecord:
        return "refused"


@given(
    messages=MESSAGES,
    template=st.sampled_from(sorted(ALL)),
    tools=st.sampled_from([None, [TOOL]]),
    prompt=st.booleans(),
)
def test_conversations_are_written_as_by_transformers(
    messages: Any, template: str, tools: Any, prompt: bool, place: Path
) -> None:
    fast, slow = both(place, "bytes", template)
    assert written(fast, messages, tools, prompt) == written(slow, messages, tools, prompt)


@pytest.mark.parametrize("model_type", _MODELS)
def test_transformers_has_a_generic_class_for_these_models(model_type: str, tmp_path: Path) -> None:
    folder = saved(tmp_path, "bytes", None)
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    assert type(AutoTokenizer.from_pretrained(folder)).__name__ == "TokenizersBackend"


@pytest.mark.parametrize(
    "change",
    [
        {"tokenizer_class": "LlamaTokenizer"},
        {"add_bos_token": True},
        {"clean_up_tokenization_spaces": True},
        {"eos_token": None},
        {"extra_special_tokens": ["unheard of"]},
        {"some_setting_of_a_later_version": 1},
    ],
)
def test_what_the_files_do_not_say_is_left_to_transformers(change: dict[str, Any], tmp_path: Path) -> None:
    folder = saved(tmp_path, "bytes", None)
    assert plain_tokenizer(folder) is not None
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert plain_tokenizer(folder) is None


def test_models_of_other_types_and_older_files_are_left_to_transformers(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(embedded.model_dir(), folder)
    model = ModelConfig(name="copy", source=str(folder))
    assert isinstance(reading_tokenizer(model)[0], PlainTokenizer)
    path = folder / "config.json"
    config = path.read_text()
    whole = json.loads(config)
    unsaid = {name: value for name, value in whole.items() if name != "max_position_embeddings"}
    for changed in (whole | {"model_type": "qwen2"}, unsaid):
        path.write_text(json.dumps(changed))
        assert not isinstance(reading_tokenizer(model)[0], PlainTokenizer)
    path.write_text(config)
    (folder / "special_tokens_map.json").write_text("{}")
    assert plain_tokenizer(folder) is None


@pytest.mark.parametrize("space", ["belief", "demo", "routing"])
def test_examples_are_counted_as_the_workers_read_them(space: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config([f"space={space}"]).config
    count = TRAINABLES[config.trainable].examples
    assert count is not None
    counted = count(config.options, 3)

    def slowly(model: ModelConfig) -> Any:
        return load_tokenizer(fetch(resolve(model), model), model)

    monkeypatch.setattr(task_data, "reading_tokenizer", slowly)
    monkeypatch.setattr("trainables.models.plain.reading_tokenizer", slowly)
    assert count(config.options, 3) == counted > 0


COUNT = """
import sys
from search.audit.check import audit_search
from search.config.load import load_config
from search.epochs import in_steps
epochs = "budget.steps=null budget.epochs=1"
for words in ("space=belief", f"space=routing {epochs}"):
    resolved = load_config(words.split())
    audit_search(resolved, in_steps(resolved.config))
assert not {"torch", "transformers"} & {*sys.modules}
"""


def test_an_audit_that_counts_epochs_imports_neither_torch_nor_transformers() -> None:
    subprocess.run([sys.executable, "-c", COUNT], check=True)
