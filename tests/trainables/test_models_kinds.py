"""Models of other kinds than the embedded one: attention, caches, parts for images, odd tokenizers."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers import AutoModelForCausalLM, PreTrainedConfig

from tests.trainables.model_folders import edited
from trainables import embedded
from trainables.errors import UserError
from trainables.evaluation.inference.forward import Forward
from trainables.evaluation.inference.generate import generate
from trainables.evaluation.inference.likelihood import score_continuations
from trainables.lora.loading import load
from trainables.lora.parameters import LoraOptions
from trainables.messages import GroupSettings
from trainables.models.attention import chosen, requested
from trainables.models.load import load_base, load_tokenizer, vocabulary_rows
from trainables.models.resolve import resolve
from trainables.models.skeleton import skeleton
from trainables.settings import CapabilityConfig, ModelConfig, SkillConfig, TaskConfig

VOCABULARY = 97
SIZES = {"vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 2}
HEADS = {"num_attention_heads": 4, "intermediate_size": 64}
ENDS = {"bos_token_id": 1, "eos_token_id": 2}
GEMMA = {**SIZES, **HEADS, "num_key_value_heads": 2, "head_dim": 8, "sliding_window": 8}
SMALL_OLD = {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128, **ENDS}
VISION = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}


def gemma3(vocabulary: int = VOCABULARY) -> PreTrainedConfig:
    return transformers.Gemma3Config(
        text_config={**GEMMA, "vocab_size": vocabulary},
        vision_config={**VISION, "image_size": 28, "patch_size": 14},
        mm_tokens_per_image=4,
        image_token_index=90,
    )


KINDS: dict[str, PreTrainedConfig] = {
    "bloom": transformers.BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4, **ENDS),
    "codegen": transformers.CodeGenConfig(**SMALL_OLD, rotary_dim=4),
    "gemma2": transformers.Gemma2Config(**GEMMA),
    "gemma3": gemma3(),
    "gpt_neo": transformers.GPTNeoConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        num_layers=2,
        num_heads=4,
        attention_types=[[["global", "local"], 1]],
        window_size=8,
        max_position_embeddings=128,
        **ENDS,
    ),
    "gpt_oss": transformers.GptOssConfig(
        **GEMMA,
        num_local_experts=4,
        num_experts_per_tok=2,
        layer_types=["sliding_attention", "full_attention"],
        rope_parameters={"rope_type": "default", "rope_theta": 1e4},
    ),
    "mamba": transformers.MambaConfig(**SIZES, state_size=8, **ENDS),
    "mpt": transformers.MptConfig(vocab_size=VOCABULARY, d_model=32, n_layers=2, n_heads=4, max_seq_len=128),
    "openai-gpt": transformers.OpenAIGPTConfig(**SMALL_OLD),
    "rwkv": transformers.RwkvConfig(**SIZES, attention_hidden_size=32, context_length=128, **ENDS),
}


def tiny(config: PreTrainedConfig) -> Any:
    """A model whose logits differ by more than rounding."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.05)
    return model


def alone(model: Any, ids: Sequence[int]) -> torch.Tensor:
    return model(input_ids=torch.tensor([list(ids)]), use_cache=False).logits[0]


def replies(model: Any, prompt: Sequence[int], length: int) -> list[int]:
    ids = list(prompt)
    while len(ids) < len(prompt) + length and (token := int(alone(model, ids)[-1].argmax())) != 2:
        ids.append(token)
    return ids[len(prompt) :]


@pytest.mark.parametrize("kind", KINDS)
def test_batches_of_unequal_texts_are_those_of_each_text_alone(kind: str) -> None:
    model = tiny(KINDS[kind])
    draw = torch.Generator().manual_seed(1)
    # Longer than the windows of those that have one, and with a beginning in common.
    begin = [*range(5, 19)]
    texts = [[*begin, *torch.randint(3, 90, (size,), generator=draw).tolist()] for size in (1, 13, 6)]
    forward = Forward(model)
    with forward.evaluating():
        width = max(map(len, texts))
        ids = torch.tensor([[*text, *[0] * (width - len(text))] for text in texts])
        logits = forward.logits(ids, [len(texts)], width)
        for row, text in zip(logits, texts, strict=True):
            torch.testing.assert_close(row[: len(text)], alone(model, text), rtol=1e-4, atol=1e-5)
        found = generate(forward, texts, copies=2, ends={2}, pad_id=0, max_new_tokens=6, batch_size=4)
        assert found == [[replies(model, text, 6) for text in texts]] * 2
        options = [[20, 21, 2], [22, 2]]
        scored = score_continuations(forward, texts, [options] * 3, copies=2, pad_id=0, batch_size=16)
        for text, values in zip(texts, scored[1], strict=True):
            for option, value in zip(options, values, strict=True):
                logs = alone(model, [*text, *option]).log_softmax(-1)[len(text) - 1 : -1]
                assert value[0] == pytest.approx(float(logs[range(len(option)), option].sum()), abs=1e-4)


def saved(config: PreTrainedConfig, folder: Path) -> ModelConfig:
    """A model in a folder with the embedded model's tokenizer."""
    shutil.copytree(embedded.model_dir(), folder)
    (folder / "model.safetensors").unlink()
    tiny(config).save_pretrained(folder)
    return ModelConfig(name="tiny", source=str(folder))


def test_attention_falls_back_and_can_be_chosen(tmp_path: Path) -> None:
    config = saved(transformers.Gemma2Config(**{**GEMMA, "vocab_size": 1280}), tmp_path / "gemma2")
    model, _ = load_base(resolve(config), config, "cpu")
    assert chosen(model) == "eager"
    asked = config.model_copy(update={"attention": "sdpa"})
    with pytest.raises(UserError, match="does not support an attention implementation"):
        load_base(resolve(asked), asked, "cpu")
    own = ModelConfig(name="embedded", source="embedded", attention="eager")
    model, _ = load_base(resolve(own), own, "cpu")
    assert chosen(model) == "eager"
    with pytest.raises(UserError, match="flash_attention_2"):
        requested("flash_attention_2", torch.bfloat16, torch.device("cpu"))


def test_of_a_model_with_images_the_part_for_text_is_kept(tmp_path: Path) -> None:
    config = saved(gemma3(vocabulary=1280), tmp_path / "gemma3")
    model, _ = load_base(resolve(config), config, "cpu")
    whole = AutoModelForCausalLM.from_pretrained(config.source, attn_implementation="sdpa").eval()
    ids = torch.arange(20).view(2, 10)
    with torch.no_grad():
        assert torch.equal(model(input_ids=ids).logits, whole(input_ids=ids).logits)
    kept, names = dict(model.named_modules()), dict(whole.named_modules())
    assert {name for name in kept if "layers." in name} == {
        name for name in names if "language_model.layers." in name
    }
    assert vocabulary_rows(resolve(config), config) == 1280
    assert load_tokenizer(resolve(config), config)[1] == whole.config.text_config.max_position_embeddings


def test_a_pad_token_that_the_model_lacks_is_never_looked_up(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(embedded.model_dir(), tmp_path / "model"))
    edited("config.json", pad_token_id=1280)(folder)
    edited("tokenizer_config.json", pad_token="<another>")(folder)
    config = ModelConfig(name="padded", source=str(folder))
    model, tokenizer = load_base(resolve(config), config, "cpu")
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    assert model.generation_config.pad_token_id == tokenizer.eos_token_id
    skeleton(folder)  # as the plan builds it


def test_tokens_that_the_model_lacks_are_named(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(embedded.model_dir(), tmp_path / "model"))
    config = ModelConfig(name="more", source=str(folder))
    tokenizer, _ = load_tokenizer(resolve(config), config)
    tokenizer.add_tokens(["<tool>"], special_tokens=True)
    tokenizer.save_pretrained(folder)
    train = tmp_path / "train.txt"
    train.write_text("A lamp and an oil can are kept in the tower.\n\n" * 20)
    skill = SkillConfig(name="facts", path="embedded:skills/facts.jsonl", limit=2)
    settings = GroupSettings(
        trainable="lora",
        options=LoraOptions(
            model=config,
            task=TaskConfig(name="own", train=str(train), max_length=16),
            capability=CapabilityConfig(skills=(skill,)),
        ),
        seed=0,
        total_steps=8,
        zero_stage=0,
        micro_batch=None,
        folder=str(tmp_path),
        threads=1,
        use_gpu=False,
        slots=1,
        most_slots=1,
        probes=(),
    )
    load(settings, torch.device("cpu"))  # such a token does no harm where no text has it
    train.write_text("A lamp and an oil can are kept in the <tool> tower.\n\n" * 20)
    with pytest.raises(UserError, match=r"task\.train contains the token '<tool>' with the id 1280"):
        load(settings, torch.device("cpu"))
