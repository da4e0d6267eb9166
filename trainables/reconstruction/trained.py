"""What a trial trains, and what it leaves behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from trainables.lora.adapters import CONFIG, WEIGHTS, saved_config
from trainables.reconstruction.components import Projection
from trainables.reconstruction.lora import LowRank
from trainables.reconstruction.network import Rebuilder
from trainables.reconstruction.parameters import ReconstructionParameters
from trainables.serving.single import WEIGHTS as WHOLE

SIZES = "reconstruction.json"
LORA_FOLDER = "lora"


class Trained(nn.Module):
    """The way of an embedding through its latent and back, and a LoRA on the model that reads it.

    Args:
        params: The trial's.
        projection: Frozen.
        network: Trained.
        lora: Trained; None where the model stays as it is.
    """

    truncated = False

    def __init__(
        self,
        params: ReconstructionParameters,
        projection: Projection,
        network: Rebuilder,
        lora: LowRank | None,
    ) -> None:
        super().__init__()
        self.params, self.projection, self.network, self.lora = params, projection, network, lora

    def forward(self, embeddings: Tensor) -> Tensor:
        """Rebuilt embeddings, of the shape of real ones, (tokens, width)."""
        rebuilt: Tensor = self.network(self.projection.encode(embeddings))
        return rebuilt


def write_sizes(trained: Trained, fingerprint: str, folder: Path) -> None:
    """Writes what `load_rebuilder` needs beside the weights.

    Args:
        trained: What was trained.
        fingerprint: Of its principal components.
        folder: Where to.
    """
    dimension, width = trained.projection.basis.shape
    sizes = {
        "latent": dimension,
        "width": width,
        "hidden": trained.network.up.out_features,
        "components": fingerprint,
    }
    (folder / SIZES).write_text(json.dumps(sizes, indent=2), encoding="utf-8")


def load_rebuilder(folder: str | Path) -> nn.Module:
    """The way of embeddings through their latents and back, as a trial has left it.

    Args:
        folder: The trial's.

    Returns:
        A module from real embeddings, shape (tokens, width), to rebuilt ones, to be given to the model as
        `inputs_embeds` with what follows the prompt. The LoRA, if any, lies in the folder `lora` below.
    """
    folder = Path(folder)
    sizes: dict[str, Any] = json.loads((folder / SIZES).read_text(encoding="utf-8"))
    basis = torch.zeros(sizes["latent"], sizes["width"])
    projection = Projection(torch.zeros(sizes["width"]), basis)
    trained = Trained(
        ReconstructionParameters(), projection, Rebuilder(projection, sizes["hidden"], 1.0), None
    )
    weights = load_file(folder / WHOLE)
    trained.load_state_dict({key: value for key, value in weights.items() if not key.startswith("lora.")})
    return trained.eval()


def write_lora(
    lora: LowRank, params: ReconstructionParameters, hooked: nn.Module, source: str, to: Path
) -> None:
    """Writes the LoRA in PEFT format, as `PeftModel.from_pretrained` reads it.

    Args:
        lora: Its factors.
        params: The trial's, with a rank.
        hooked: The base model.
        source: Model id or folder of the base model.
        to: The folder, which is made.
    """
    given = params.lora
    assert given is not None
    to.mkdir(exist_ok=True)
    weights = {}
    for site, a, b in zip(lora.sites, lora.a, lora.b, strict=True):
        for letter, weight in (("A", a), ("B", b)):
            name = f"base_model.model.{site}.lora_{letter}.weight"
            weights[name] = weight.detach().cpu().contiguous().clone()
    save_file(weights, to / WEIGHTS)
    config = LoraConfig(
        r=given.rank,
        lora_alpha=given.effective_alpha,
        target_modules=lora.sites,
        fan_in_fan_out=lora.transposed,
        bias="none",
        task_type="CAUSAL_LM",
    )
    saved = saved_config(config, hooked)
    saved |= {"inference_mode": True, "base_model_name_or_path": source}
    (to / CONFIG).write_text(json.dumps(saved, indent=2, sort_keys=True, default=_plain))


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, set | frozenset) else str(value)
