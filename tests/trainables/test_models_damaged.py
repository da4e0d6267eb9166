"""Models whose files are damaged, incomplete or of a kind that cannot be trained."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from search.run import main
from tests.trainables.model_folders import (
    WEIGHT,
    Damage,
    edited,
    embedded_weights,
    indexed,
    resized,
    trapped,
    with_weights,
    written,
)
from trainables import embedded
from trainables.errors import UserError
from trainables.models.folder.architectures import causal_models, supports_checkpointing, supports_sdpa
from trainables.models.folder.check import check_description, check_folder, takes_sdpa
from trainables.models.load import load_base, load_tokenizer
from trainables.models.resolve import fetched, resolve
from trainables.models.skeleton import skeleton
from trainables.settings import ModelConfig


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(embedded.model_dir(), tmp_path / "model"))


def config(source: Path | str, **settings: object) -> ModelConfig:
    return ModelConfig.model_validate({"name": "model", "source": str(source), **settings})


def load(folder: Path) -> object:
    return load_base(resolve(config(folder)), config(folder), "cpu")


def gone(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


BIAS = WEIGHT.replace("weight", "bias")
PARTS = "{% for m in messages %}<|user|>{% for part in m.content %}{{ part.text }}{% endfor %}{% endfor %}"
LOOPS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"

SEEN: dict[str, tuple[Damage, str]] = {
    "cut off": (resized(-100), r"model\.safetensors: it is cut off"),
    "too long": (resized(50), r"model\.safetensors: it is cut off or damaged"),
    "no header": (written("model.safetensors", "x"), r"model\.safetensors: it is cut off or damaged"),
    "no weights": (gone("model.safetensors"), "has no weights"),
    "missing": (with_weights(**{WEIGHT: None}), f"lack the weight {WEIGHT}, which would be random"),
    "missing blocks": (edited("config.json", num_hidden_layers=7), r"layers\.5\.\S+ \(and 13 more\)"),
    "quantised": (
        edited("config.json", quantization_config={"quant_method": "gptq", "bits": 4}),
        r"config\.json: the weights are quantised \(gptq\)",
    ),
    "quantised anyhow": (
        edited("config.json", quantization_config={"load_in_4bit": True}),
        r"config\.json: the weights are quantised \(of an unknown kind\)",
    ),
    "shard missing": (indexed("b.safetensors"), r"b\.safetensors: there is no such file"),
    "tensor missing": (indexed("shard.safetensors", "a.b"), r"shard\.safetensors: it lacks the tensor a\.b"),
    "shard elsewhere": (indexed("../x.safetensors"), r"names '\.\./x\.safetensors'"),
    "not an index": (
        lambda folder: (
            written("model.safetensors.index.json", "{}")(folder),
            gone("model.safetensors")(folder),
        ),
        "not an index of weights",
    ),
    "distributed": (
        lambda folder: (folder / "model.safetensors").rename(
            folder / "shard-00000-model-00001-of-00001.safetensors"
        ),
        "distributed checkpoint",
    ),
    "config": (written("config.json", "{"), r"config\.json: it is not JSON"),
    "unknown type": (edited("config.json", model_type="llama9"), "does not support models of type 'llama9'"),
    "no type": (edited("config.json", model_type=None), "model_type"),
    "no language model": (edited("config.json", model_type="vit"), "type vit is not a causal language model"),
    "encoder": (edited("config.json", model_type="bert"), "does not generate text from left to right"),
    "encoder and decoder": (edited("config.json", is_encoder_decoder=True), "from left to right"),
    "classifier": (
        edited("config.json", architectures=["LlamaForSequenceClassification"]),
        r"config\.json: the weights are those of a LlamaForSequenceClassification, which does not predict",
    ),
    "encoder of texts": (edited("config.json", architectures=["LlamaModel"]), "those of a LlamaModel"),
    "images": (
        edited("config.json", model_type="qwen2_vl", text_config={}),
        "multimodal model of type qwen2_vl",
    ),
    "more tokens": (edited("config.json", vocab_size=1500), "vocabulary of 1,500 tokens"),
    "adapter beside": (written("adapter_config.json", "{}"), "an adapter beside the model"),
    "generation": (written("generation_config.json", "["), r"generation_config\.json: it is not JSON"),
    "ends": (edited("generation_config.json", eos_token_id=["x"]), "eos_token_id is neither"),
    "tokenizer": (written("tokenizer.json", "{"), r"tokenizer\.json: it is not JSON"),
    "newer tokenizer": (
        edited("tokenizer.json", pre_tokenizer={"type": "New"}),
        r"tokenizer\.json: it cannot be read",
    ),
    "no tokenizer": (gone("tokenizer.json"), "has no tokenizer"),
    "empty tokenizer": (edited("tokenizer.json", model={"type": "BPE", "vocab": {}}), "has no vocabulary"),
    "tokenizer settings": (
        written("tokenizer_config.json", "[]"),
        r"tokenizer_config\.json: it is not a JSON",
    ),
    "no template": (
        written("chat_template.jinja", "{% for x in %}"),
        r"chat_template\.jinja: .*TemplateSyntaxError",
    ),
    "template of parts": (
        written("chat_template.jinja", PARTS),
        r"chat_template\.jinja: the chat template leaves out the text of a message",
    ),
    "template raises": (written("chat_template.jinja", "{{ raise_exception('no') }}"), "TemplateError: no"),
    "template loops": (written("chat_template.jinja", LOOPS), "does not terminate"),
    "template grows": (written("chat_template.jinja", "{{ 'a' * 99999999999 }}"), "MemoryError"),
}


@pytest.mark.parametrize("kind", SEEN)
def test_what_the_files_show_is_refused_before_anything_is_loaded(folder: Path, kind: str) -> None:
    damage, message = SEEN[kind]
    damage(folder)
    with pytest.raises(UserError, match=message) as refused:
        resolve(config(folder))
    assert refused.value.hint
    assert str(folder) in refused.value.message


def test_every_class_that_predicts_text_is_taken(folder: Path) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    known = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values()
    assert len(known) > 100
    for name in (*known, "GPTBigCodeLMHeadCustomModel", None):
        edited("config.json", architectures=name and [name])(folder)
        check_description(folder)


def test_a_tokenizer_of_a_larger_vocabulary_is_refused(folder: Path) -> None:
    cut = embedded_weights()["model.embed_tokens.weight"][:1000].clone()
    with_weights(model__embed_tokens__weight=cut)(folder)
    edited("config.json", vocab_size=1000)(folder)
    with pytest.raises(UserError, match=r"1,280 tokens, but the model's embedding has only 1,000 rows"):
        resolve(config(folder))


def test_an_adapter_is_told_from_a_model(folder: Path) -> None:
    (folder / "config.json").unlink()
    written("adapter_config.json", '{"base_model_name_or_path": "org/base"}')(folder)
    with pytest.raises(UserError, match="is an adapter, not a model") as refused:
        resolve(config(folder))
    assert "org/base" in (refused.value.hint or "")


def without_words(folder: Path) -> None:
    (folder / "tokenizer.json").rename(folder / "vocab.json")
    edited("tokenizer_config.json", tokenizer_class="LlamaTokenizer")(folder)


def infinite(value: float) -> torch.Tensor:
    tensor = embedded_weights()[WEIGHT].clone()
    tensor[3, 3] = value
    return tensor


LOADED: dict[str, tuple[Damage, str]] = {
    "missing": (
        with_weights(model__norm__weight=None),
        r"lack the weight model\.norm\.weight, which",
    ),
    "more blocks": (edited("config.json", num_hidden_layers=2), r"have the weight model\.layers\.2\."),
    "a bias": (
        with_weights(**{WEIGHT.replace("weight", "bias"): torch.zeros(384)}),
        "have the weight .*bias",
    ),
    "other shape": (with_weights(**{WEIGHT: torch.zeros(383, 128)}), "has the shape 383 x 128 in the files"),
    "nan": (with_weights(**{WEIGHT: infinite(float("nan"))}), f"{WEIGHT} holds NaN or infinity"),
    "infinity": (with_weights(**{WEIGHT: infinite(float("-inf"))}), f"{WEIGHT} holds NaN or infinity"),
    "too large": (with_weights(model__norm__weight=torch.full((128,), 3e38)), "predictions are not finite"),
    "heads": (edited("config.json", num_attention_heads=3), "cannot be loaded: .*heads"),
    "activation": (edited("config.json", hidden_act="nope"), "cannot be loaded: KeyError: 'nope'"),
    "empty tokenizer": (without_words, "has no vocabulary"),
    "ends": (edited("tokenizer_config.json", eos_token="<new>"), "'<new>' has the id 1280, beyond"),
}


@pytest.mark.parametrize("kind", LOADED)
def test_what_only_loading_shows_is_refused_as_the_users(folder: Path, kind: str) -> None:
    damage, message = LOADED[kind]
    damage(folder)
    with pytest.raises(UserError, match=message) as refused:
        load(folder)
    assert str(folder) in refused.value.message


def test_weights_that_no_text_needs_may_be_there(folder: Path) -> None:
    with_weights(lm_head__weight=embedded_weights()["model.embed_tokens.weight"])(folder)  # they are tied
    load(folder)
    more = ("vision_tower__a__weight", "score__weight", "model__layers__0__self_attn__rotary_emb__inv_freq")
    with_weights(**dict.fromkeys(more, torch.zeros(4)))(folder)
    load(folder)


def test_a_model_that_looks_ahead_is_refused(folder: Path) -> None:
    from transformers import BertConfig, BertLMHeadModel

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    BertLMHeadModel(BertConfig(vocab_size=1280, **sizes)).save_pretrained(folder)
    given = resolve(config(embedded.model_dir()))  # whose check would have refused it
    with pytest.raises(UserError, match="predictions depend on the text after them"):
        load_base(type(given)(str(folder), None, ""), config(folder), "cpu")


PICKLES: dict[str, tuple[str, Damage]] = {
    "weights": ("pytorch_model.bin", gone("model.safetensors")),
    "shard": ("x.bin", indexed("x.bin")),
    "named": ("x.bin", edited("config.json", transformers_weights="x.bin")),
    "named as an adapter": (
        "adapter_model.bin",
        edited("config.json", transformers_weights="adapter_model.bin"),
    ),
    "adapter": ("adapter_model.bin", written("adapter_config.json", '{"peft_type": "LORA"}')),
}


@pytest.mark.parametrize("kind", PICKLES)
def test_no_pickle_is_read(folder: Path, tmp_path: Path, kind: str) -> None:
    name, points = PICKLES[kind]
    mark = tmp_path / "unpickled"
    trapped(name, mark)(folder)
    points(folder)
    with pytest.raises(UserError, match=r"safetensors|pickle|adapter"):
        load(folder)
    assert not mark.exists()


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_a_models_own_code_is_not_run_and_must_be_pinned(folder: Path, tmp_path: Path, file: str) -> None:
    mark = tmp_path / "run"
    (folder / "own.py").write_text(f"open({str(mark)!r}, 'w')\nclass Own: pass\n")
    names = ("AutoConfig", "AutoModelForCausalLM")
    edited(file, auto_map=dict.fromkeys(names, "own.Own") | {"AutoTokenizer": [None, "own.Own"]})(folder)
    load(folder)
    assert not mark.exists()
    trusted = config(folder, trust_remote_code=True, revision="0" * 40)
    before = resolve(trusted).fingerprint
    (folder / "own.py").write_text("class Own: pass\n")
    assert resolve(trusted).fingerprint != before
    edited(file, auto_map={"AutoModelForCausalLM": "org/other--own.Own"})(folder)
    check_folder(folder, code=True, hub_id="org/other")  # which the revision pins
    with pytest.raises(UserError, match="another repository"):
        resolve(trusted)


def test_kernels_of_the_hub_are_not_fetched(folder: Path) -> None:
    edited("config.json", attn_implementation="org/kernel", experts_implementation="org/kernel")(folder)
    model, _ = load_base(resolve(config(folder)), config(folder), "cpu")
    assert model.config._attn_implementation == "sdpa"
    built: Any = skeleton(folder)
    assert built.config._attn_implementation == "sdpa"
    given = {key: value for key, value in os.environ.items() if key != "USE_HUB_KERNELS"}
    asked = [sys.executable, "-c", "import os, trainables; print(os.environ['USE_HUB_KERNELS'])"]
    assert subprocess.run(asked, env=given, capture_output=True, text=True, check=True).stdout == "NO\n"


def test_a_hub_models_files_are_checked_in_the_cache(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    commit = "0123456789" * 4
    stored = tmp_path / "models--org--name"
    (stored / "refs").mkdir(parents=True)
    (stored / "refs" / "main").write_text(commit)
    snapshot = Path(shutil.copytree(folder, stored / "snapshots" / commit))
    assert main(["space=demo", "model=org/name", "--plan"]) == 0
    (snapshot / "model.safetensors").unlink()  # not downloaded yet
    assert main(["space=demo", "model=org/name", "--plan"]) == 0
    index = snapshot / "model.safetensors.index.json"
    index.write_text('{"metadata": {}, "weight_map": {"a": "x.bin"}}')
    assert main(["space=demo", "model=org/name", "--plan"]) == 2
    assert "names 'x.bin' as weights" in capsys.readouterr().err
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"x\.bin"):
        fetched(resolve(config("org/name")), config("org/name"))
    index.unlink()
    edited("config.json", transformers_weights="adapter_model.bin")(snapshot)
    with pytest.raises(UserError, match=r"adapter_model\.bin"):
        fetched(resolve(config("org/name")), config("org/name"))
    edited("config.json", transformers_weights=None)(snapshot)
    found = fetched(resolve(config("org/name")), config("org/name"))
    assert (found.path_or_id, found.revision, found.fingerprint) == ("org/name", commit, f"org/name@{commit}")


def test_the_plan_refuses_with_the_file_and_without_torch(folder: Path) -> None:
    resized(-1)(folder)
    code = (
        "import sys; from search.run import main; code = main(sys.argv[1:]);"
        "sys.exit(' '.join({'torch', 'transformers', 'ray'} & set(sys.modules)) or code)"
    )
    command = [sys.executable, "-c", code, "space=demo", f"model={folder}", "--plan"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert f"model.source: {folder / 'model.safetensors'}: it is cut off" in done.stderr


def test_the_plan_says_what_attention_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["space=demo", f"model={folder}", "--plan"]) == 0
    assert "sdpa" in capsys.readouterr().out
    edited("config.json", model_type="gemma2")(folder)
    assert takes_sdpa(folder) is False
    assert main(["space=demo", f"model={folder}", "--plan"]) == 0
    assert "eager: models of this kind" in capsys.readouterr().out
    assert main(["space=demo", f"model={folder}", "model.attention=sdpa", "--plan"]) == 2
    assert "model.attention" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["llama", "gpt2", "mamba", "gpt_neox_japanese", "jetmoe"])
def test_what_a_model_supports_is_read_off_as_its_class_says_it(kind: str) -> None:
    model: Any = getattr(transformers, causal_models()[kind])
    assert supports_checkpointing(kind) is model.supports_gradient_checkpointing
    assert supports_sdpa(kind) is model._supports_sdpa


def test_checkpointing_is_refused_where_the_model_does_not_support_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["space=demo", f"model={folder}", "workers.gradient_checkpointing=true"]
    assert main([*words, "--plan"]) == 0
    edited("config.json", model_type="gpt_neox_japanese")(folder)
    for mode in ([], ["--plan"]):
        assert main([*words, *mode]) == 2
        assert "workers.gradient_checkpointing: is not possible" in capsys.readouterr().err


def test_whole_models_pass(tmp_path: Path) -> None:
    check_folder(embedded.model_dir())
    tokenizer, context = load_tokenizer(resolve(config("embedded")), config("embedded"))
    assert (len(tokenizer), context) == (1280, 256)
