"""Tiny random models of the families that people use, made from their configuration classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from trainables.models.soundness import leave_out_other_parts

VOCABULARY = 97
WIDTH = 64
LAYERS = 2

_COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 96,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_VISION = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 8,
}


@dataclass(frozen=True)
class Family:
    """A family of models.

    Attributes:
        models: Some of its well-known members.
        kind: What is special about it.
        config: Settings of its configuration class beside the common ones.
        type: `model_type`, where it is not the family's key.
        text: Settings of its text configuration, where that is nested.
        exact: Whether float64 is exact: some families compute a part in fp32 whatever the model's type is.
    """

    models: str
    kind: str
    config: dict[str, Any] = field(default_factory=dict)
    type: str | None = None
    text: dict[str, Any] | None = None
    exact: bool = True


_HEADS = {"head_dim": 16}
_WINDOW = {"sliding_window": 6}
_SLIDING = _WINDOW | {"layer_types": ["sliding_attention", "full_attention"]}
_GPT = {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 4}
_MOE = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
_LOCAL = {"num_local_experts": 4, "num_experts_per_tok": 2}
_SHARED = {"shared_expert_intermediate_size": 32}
_DEEPSEEK = {
    "kv_lora_rank": 16,
    "q_lora_rank": 24,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 16,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
    "n_group": 1,
    "topk_group": 1,
    "num_key_value_heads": 4,
}
_LINEAR = _HEADS | {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "layer_types": ["linear_attention", "full_attention"],
}
_MAMBA2 = {"mamba_n_heads": 8, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_n_groups": 1}
_JAMBA = {
    "attn_layer_period": 2,
    "attn_layer_offset": 1,
    "expert_layer_period": 2,
    "expert_layer_offset": 1,
    "num_experts": 4,
    "use_mamba_kernels": False,
    "mamba_dt_rank": 4,
}
_FALCON_H1 = _HEADS | {"mamba_d_ssm": 64, "mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 16}
_NEMOTRON_H = _HEADS | {
    "hybrid_override_pattern": "M*-M",
    "mamba_num_heads": 4,
    "mamba_head_dim": 16,
    "ssm_state_size": 16,
    "n_groups": 2,
}
_ZAMBA2 = {
    "layers_block_type": ["mamba", "hybrid"],
    "hybrid_layer_ids": [1],
    "mamba_ngroups": 1,
    "n_mamba_heads": 8,
    "mamba_d_state": 8,
    "mamba_headdim": 16,
    "num_mem_blocks": 1,
    "adapter_rank": 4,
    "num_key_value_heads": 4,
}
_RECURRENT_GEMMA = _HEADS | {
    "block_types": ["recurrent", "attention"],
    "attention_window_size": 6,
    "lru_width": WIDTH,
}
_GPT_NEO = {
    "num_layers": LAYERS,
    "attention_types": [[["global", "local"], 1]],
    "num_heads": 4,
    "window_size": 6,
}
_GEMMA3N = (
    _SLIDING
    | _HEADS
    | {
        "num_kv_shared_layers": 0,
        "activation_sparsity_pattern": [0.0, 0.0],
        "intermediate_size": [96, 96],
        "vocab_size_per_layer_input": VOCABULARY,
        "hidden_size_per_layer_input": 8,
        "laurel_rank": 4,
    }
)
_GEMMA4 = (
    _SLIDING
    | _HEADS
    | {"global_head_dim": 16, "hidden_size_per_layer_input": 8, "vocab_size_per_layer_input": VOCABULARY}
)
_ERNIE = {"moe_num_experts": 4, "moe_k": 2, "moe_intermediate_size": 32, "moe_layer_start_index": 1}
_LLAMA4 = _LOCAL | _HEADS | {"intermediate_size_mlp": 96, "interleave_moe_layer_step": 2}
_MINIMAX = _LOCAL | _HEADS | {"layer_types": ["linear_attention", "full_attention"], "block_size": 4}
_CONV = {"layer_types": ["conv", "full_attention"]}

FAMILIES: dict[str, Family] = {
    "llama": Family("Llama 2, 3", "dense"),
    "llama-tied": Family("Llama 3.2 1B, SmolLM2", "tied head", {"tie_word_embeddings": True}, "llama"),
    "llama-bias": Family("InternLM2", "biases", {"attention_bias": True, "mlp_bias": True}, "llama"),
    "mistral": Family("Mistral 7B", "sliding window", _WINDOW | _HEADS),
    "ministral3": Family("Ministral 3", "dense", _HEADS),
    "qwen2": Family("Qwen2, Qwen2.5", "biases"),
    "qwen3": Family("Qwen3", "normalised queries and keys", _HEADS),
    "gemma": Family("Gemma", "tied head", _HEADS),
    "gemma2": Family("Gemma 2", "soft capping, sliding window", _HEADS | _WINDOW),
    "gemma3_text": Family("Gemma 3 1B", "sliding window", _HEADS | _WINDOW),
    "gemma3": Family("Gemma 3 4B and up", "multimodal, its text part", text=_HEADS | _WINDOW),
    "gemma3n_text": Family("Gemma 3n (text)", "inputs per layer", _GEMMA3N, exact=False),
    "gemma4_text": Family("Gemma 4 (text)", "inputs per layer", _GEMMA4, exact=False),
    "phi": Family("Phi 1, 1.5, 2", "biases, parallel blocks"),
    "phi3": Family("Phi 3, 3.5, 4", "fused qkv, fused gate and up"),
    "openai-gpt": Family("GPT", "Conv1D, no cache", _GPT),
    "gpt2": Family("GPT-2", "Conv1D, fused qkv", _GPT),
    "gpt_bigcode": Family("StarCoder", "multi-query", _GPT),
    "gpt_neo": Family("GPT-Neo", "local attention", _GPT_NEO, exact=False),
    "gptj": Family("GPT-J", "parallel blocks", _GPT | {"rotary_dim": 8}, exact=False),
    "gpt_neox": Family("Pythia, GPT-NeoX", "biases, fused qkv"),
    "codegen": Family("CodeGen", "fused qkv", _GPT | {"rotary_dim": 8}, exact=False),
    "gpt_oss": Family("gpt-oss", "MoE, attention sinks", _LOCAL | _HEADS | _WINDOW),
    "opt": Family("OPT", "biases, learned positions", {"ffn_dim": 96, "word_embed_proj_dim": WIDTH}),
    "bloom": Family("Bloom", "ALiBi, fused qkv", {"n_layer": LAYERS, "n_head": 4}),
    "mpt": Family("MPT", "ALiBi", {"d_model": WIDTH, "n_layers": LAYERS, "n_heads": 4}, exact=False),
    "falcon": Family("Falcon", "fused multi-query qkv"),
    "stablelm": Family("StableLM", "partial rotary"),
    "starcoder2": Family("StarCoder2", "biases"),
    "olmo": Family("OLMo", "norms without weights"),
    "olmo2": Family("OLMo 2", "norms after blocks"),
    "olmo3": Family("OLMo 3", "sliding window", _WINDOW),
    "cohere": Family("Command R", "parallel blocks"),
    "cohere2": Family("Command R7B, A", "sliding window", _WINDOW | _HEADS),
    "granite": Family("Granite 3", "multipliers"),
    "exaone4": Family("EXAONE 4", "sliding window", _SLIDING),
    "glm4": Family("GLM-4", "fused gate and up", _HEADS),
    "smollm3": Family("SmolLM3", "layers without positions"),
    "seed_oss": Family("Seed-OSS", "biases", _HEADS),
    "apertus": Family("Apertus", "xIELU"),
    "helium": Family("Helium", "dense", _HEADS),
    "nemotron": Family("Nemotron 4", "squared ReLU"),
    "persimmon": Family("Persimmon", "fused qkv"),
    "mixtral": Family("Mixtral", "MoE", _LOCAL),
    "qwen2_moe": Family("Qwen1.5-MoE", "MoE, shared expert", _MOE | _SHARED),
    "qwen3_moe": Family("Qwen3 30B-A3B", "MoE", _MOE | _HEADS | {"mlp_only_layers": [0]}),
    "olmoe": Family("OLMoE", "MoE", {"num_experts": 4, "num_experts_per_tok": 2}),
    "phimoe": Family("Phi-3.5-MoE", "MoE", _LOCAL),
    "granitemoe": Family("Granite 3 MoE", "MoE", _LOCAL),
    "deepseek_v2": Family("DeepSeek-V2", "MoE, latent attention, shared experts", _DEEPSEEK),
    "deepseek_v3": Family("DeepSeek-V3, R1", "MoE, latent attention, shared experts", _DEEPSEEK, exact=False),
    "glm4_moe": Family("GLM-4.5", "MoE, shared experts", _DEEPSEEK | _HEADS, exact=False),
    "ernie4_5_moe": Family("ERNIE 4.5 MoE", "MoE, shared experts", _ERNIE),
    "hunyuan_v1_moe": Family("Hunyuan", "MoE, router in fp32", _MOE | _HEADS, exact=False),
    "llama4_text": Family("Llama 4 (text)", "MoE, router that returns a pair", _LLAMA4, exact=False),
    "jetmoe": Family("JetMoE", "MoE in attention", _LOCAL | {"kv_channels": 16, "num_key_value_heads": 4}),
    "minimax": Family("MiniMax-Text", "linear attention, MoE", _MINIMAX),
    "qwen3_next": Family("Qwen3-Next", "linear attention, MoE", _LINEAR | _MOE | _SHARED, exact=False),
    "qwen3_5_text": Family("Qwen3.5 (text)", "linear attention", _LINEAR, exact=False),
    "lfm2": Family("LFM2", "convolutions", _CONV),
    "lfm2_moe": Family("LFM2 8B-A1B", "convolutions, MoE", _MOE | _CONV | {"num_dense_layers": 1}),
    "jamba": Family("Jamba", "Mamba, attention, MoE", _JAMBA),
    "falcon_h1": Family("Falcon-H1", "Mamba beside attention", _FALCON_H1),
    "nemotron_h": Family("Nemotron-H", "Mamba, attention", _NEMOTRON_H, exact=False),
    "bamba": Family("Bamba", "Mamba, attention", _MAMBA2 | {"attn_layer_indices": [1]}, exact=False),
    "granitemoehybrid": Family(
        "Granite 4",
        "Mamba, attention, MoE",
        _LOCAL | _MAMBA2 | {"layer_types": ["mamba", "attention"], "shared_intermediate_size": 32},
        exact=False,
    ),
    "zamba2": Family("Zamba 2", "Mamba, shared attention", _ZAMBA2, exact=False),
    "mamba": Family("Mamba", "state space", {"state_size": 8}, exact=False),
    "mamba2": Family(
        "Mamba 2",
        "state space",
        {"state_size": 8, "num_heads": 8, "head_dim": 16, "n_groups": 2},
        exact=False,
    ),
    "falcon_mamba": Family("Falcon Mamba", "state space", {"state_size": 8}, exact=False),
    "recurrent_gemma": Family("RecurrentGemma", "recurrent blocks", _RECURRENT_GEMMA),
    "rwkv": Family("RWKV 4", "recurrent, no cache", {"attention_hidden_size": WIDTH}),
}

OF_EACH_KIND = tuple({family.kind: name for name, family in reversed(FAMILIES.items())}.values())[::-1]
"""The first family of each kind."""


def tiny(
    family: str, dtype: torch.dtype = torch.float32, whole: bool = False, **sizes: Any
) -> PreTrainedModel:
    """A frozen model of the family with random weights, always the same ones, as it is trained.

    Args:
        family: One of `FAMILIES`.
        dtype: Of its weights.
        whole: Keep the parts for images, too, as they are saved.
        sizes: Settings in the place of the usual ones.
    """
    entry = FAMILIES[family]
    settings = _COMMON | entry.config | sizes
    if entry.text is not None:
        settings = {"text_config": _COMMON | entry.text | sizes, "vision_config": _VISION}
    config = AutoConfig.for_model(entry.type or family, **settings)
    # Grouped products of experts are not there in float64.
    options = {"experts_implementation": "eager"} if dtype == torch.float64 else {}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=dtype, **options)
    _draw(model)
    if not whole:
        leave_out_other_parts(model)
    frozen: PreTrainedModel = model.eval().requires_grad_(False)
    return frozen


def _draw(model: PreTrainedModel) -> None:
    """Random weights, drawn in float32 whatever the model's own type is: the same ones in each."""
    torch.manual_seed(0)
    with torch.no_grad():
        for name, value in model.named_parameters():
            drawn = torch.empty(value.shape)
            if value.dim() > 1:
                value.copy_(drawn.normal_(0, 0.5 if "embed" in name else 0.08))
            elif name.endswith(("bias", "sinks")):
                value.copy_(drawn.normal_(0, 0.1))
            elif name.endswith("A_log"):
                value.copy_(drawn.uniform_(1, 16).log())
