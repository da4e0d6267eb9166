"""Tiny random models of the families that people use, made from their configuration classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

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
_MOE = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
_LOCAL = {"num_local_experts": 4, "num_experts_per_tok": 2}
_MLA = {"kv_lora_rank": 16, "q_lora_rank": 24, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8, "v_head_dim": 16}
_DEEPSEEK = {
    **_MLA,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
    "n_group": 1,
    "topk_group": 1,
    "num_key_value_heads": 4,
}
_LINEAR = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "layer_types": ["linear_attention", "full_attention"],
    "head_dim": 16,
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
    """

    models: str
    kind: str = "dense"
    config: dict[str, Any] = field(default_factory=dict)
    type: str | None = None
    text: dict[str, Any] | None = None


FAMILIES: dict[str, Family] = {
    "llama": Family("Llama 2, 3", "dense"),
    "llama-tied": Family("Llama 3.2 1B, SmolLM2", "tied head", {"tie_word_embeddings": True}, "llama"),
    "llama-bias": Family(
        "InternLM2 and others", "biases", {"attention_bias": True, "mlp_bias": True}, "llama"
    ),
    "mistral": Family("Mistral 7B", "sliding window", {"sliding_window": 6, "head_dim": 16}),
    "ministral3": Family("Ministral 3", "dense", {"head_dim": 16}),
    "qwen2": Family("Qwen2, Qwen2.5", "biases"),
    "qwen3": Family("Qwen3", "normalised queries and keys", {"head_dim": 16}),
    "gemma": Family("Gemma", "tied head", {"head_dim": 16}),
    "gemma2": Family("Gemma 2", "soft capping, sliding window", {"head_dim": 16, "sliding_window": 6}),
    "gemma3_text": Family("Gemma 3 1B", "sliding window", {"head_dim": 16, "sliding_window": 6}),
    "gemma3": Family("Gemma 3 4B and up", "multimodal", text={"head_dim": 16, "sliding_window": 6}),
    "phi": Family("Phi 1, 1.5, 2", "biases, parallel blocks"),
    "phi3": Family("Phi 3, 3.5, 4", "fused qkv, fused gate and up"),
    "gpt2": Family("GPT-2", "Conv1D, fused qkv", {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 4}),
    "gpt_bigcode": Family("StarCoder", "multi-query", {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 4}),
    "gpt_neo": Family(
        "GPT-Neo",
        "local attention",
        {"num_layers": LAYERS, "attention_types": [[["global", "local"], 1]], "num_heads": 4, "window_size": 6},
    ),
    "gptj": Family("GPT-J", "parallel blocks", {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 4, "rotary_dim": 8}),
    "gpt_neox": Family("Pythia, GPT-NeoX", "biases, fused qkv"),
    "codegen": Family("CodeGen", "fused qkv", {"n_embd": WIDTH, "n_layer": LAYERS, "n_head": 4, "rotary_dim": 8}),
    "gpt_oss": Family(
        "gpt-oss", "MoE, attention sinks", {**_LOCAL, "head_dim": 16, "sliding_window": 6}
    ),
    "opt": Family("OPT", "biases, learned positions", {"ffn_dim": 96, "word_embed_proj_dim": WIDTH}),
    "bloom": Family("Bloom", "ALiBi, fused qkv", {"n_layer": LAYERS, "n_head": 4}),
    "mpt": Family("MPT", "ALiBi, fused qkv", {"d_model": WIDTH, "n_layers": LAYERS, "n_heads": 4}),
    "falcon": Family("Falcon", "fused multi-query qkv"),
    "stablelm": Family("StableLM", "partial rotary"),
    "starcoder2": Family("StarCoder2", "biases"),
    "olmo2": Family("OLMo 2", "norms after blocks"),
    "olmo3": Family("OLMo 3", "sliding window", {"sliding_window": 6}),
    "cohere": Family("Command R", "parallel blocks"),
    "granite": Family("Granite 3", "multipliers"),
    "exaone4": Family("EXAONE 4", "sliding window", {"sliding_window": 6, "layer_types": ["sliding_attention", "full_attention"]}),
    "glm4": Family("GLM-4", "fused gate and up", {"head_dim": 16}),
    "smollm3": Family("SmolLM3", "layers without positions"),
    "helium": Family("Helium", "dense", {"head_dim": 16}),
    "nemotron": Family("Nemotron 4", "squared ReLU"),
    "persimmon": Family("Persimmon", "fused qkv"),
    "xglm": Family("XGLM", "biases", {"d_model": WIDTH, "num_layers": LAYERS, "attention_heads": 4, "ffn_dim": 96}),
    "mixtral": Family("Mixtral", "MoE", _LOCAL),
    "qwen2_moe": Family(
        "Qwen1.5-MoE", "MoE, shared expert", {**_MOE, "shared_expert_intermediate_size": 32}
    ),
    "qwen3_moe": Family("Qwen3 30B-A3B", "MoE", {**_MOE, "head_dim": 16, "mlp_only_layers": [0]}),
    "olmoe": Family("OLMoE", "MoE", {"num_experts": 4, "num_experts_per_tok": 2}),
    "phimoe": Family("Phi-3.5-MoE", "MoE", _LOCAL),
    "granitemoe": Family("Granite 3 MoE", "MoE", _LOCAL),
    "deepseek_v2": Family("DeepSeek-V2", "MoE, latent attention, shared experts", _DEEPSEEK),
    "deepseek_v3": Family("DeepSeek-V3, R1, Kimi K2", "MoE, latent attention, shared experts", _DEEPSEEK),
    "glm4_moe": Family(
        "GLM-4.5", "MoE, shared experts", {**_DEEPSEEK, "head_dim": 16, "num_key_value_heads": 2}
    ),
    "ernie4_5_moe": Family(
        "ERNIE 4.5 MoE",
        "MoE, shared experts",
        {"moe_num_experts": 4, "moe_k": 2, "moe_intermediate_size": 32, "moe_layer_start_index": 1},
    ),
    "llama4_text": Family(
        "Llama 4 (text)",
        "MoE, router that returns a pair",
        {**_LOCAL, "head_dim": 16, "intermediate_size_mlp": 96, "interleave_moe_layer_step": 2},
    ),
    "qwen3_next": Family(
        "Qwen3-Next", "linear attention, MoE", {**_LINEAR, **_MOE, "shared_expert_intermediate_size": 32}
    ),
    "qwen3_5_text": Family("Qwen3.5 (text)", "linear attention", _LINEAR),
    "lfm2": Family("LFM2", "convolutions", {"layer_types": ["conv", "full_attention"]}),
    "jamba": Family(
        "Jamba",
        "Mamba, attention, MoE",
        {"attn_layer_period": 2, "attn_layer_offset": 1, "expert_layer_period": 2, "expert_layer_offset": 1,
         "num_experts": 4, "use_mamba_kernels": False, "mamba_dt_rank": 4},
    ),
    "falcon_h1": Family(
        "Falcon-H1", "Mamba beside attention",
        {"mamba_d_ssm": 64, "mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 16, "head_dim": 16},
    ),
    "nemotron_h": Family(
        "Nemotron-H", "Mamba, attention",
        {"hybrid_override_pattern": "M*-M", "mamba_num_heads": 4, "mamba_head_dim": 16, "ssm_state_size": 16,
         "head_dim": 16, "n_groups": 2},
    ),
    "mamba": Family("Mamba", "state space", {"state_size": 8}),
    "mamba2": Family("Mamba 2", "state space", {"state_size": 8, "num_heads": 8, "head_dim": 16, "n_groups": 2}),
    "recurrent_gemma": Family(
        "RecurrentGemma", "recurrent blocks", {"block_types": ["recurrent", "attention"], "attention_window_size": 6, "lru_width": WIDTH, "head_dim": 16},
    ),
    "rwkv": Family("RWKV 4", "recurrent", {"attention_hidden_size": WIDTH}),
}


def tiny(family: str, dtype: torch.dtype = torch.float32) -> PreTrainedModel:
    """A frozen model of the family with random weights, always the same ones."""
    entry = FAMILIES[family]
    settings = {**_COMMON, **entry.config}
    if entry.text is not None:
        settings = {"text_config": {**_COMMON, **entry.text}, "vision_config": {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 16, "patch_size": 8}}
    config = AutoConfig.for_model(entry.type or family, **settings)
    torch.manual_seed(0)
    # Grouped products of experts are not there in float64.
    options = {"experts_implementation": "eager"} if dtype == torch.float64 else {}
    model = AutoModelForCausalLM.from_config(config, dtype=dtype, **options)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.dim() > 1:
                value.normal_(0, 0.08 if "embed" not in name else 0.5)
            elif name.endswith("bias"):
                value.normal_(0, 0.1)
    return model.eval().requires_grad_(False)
