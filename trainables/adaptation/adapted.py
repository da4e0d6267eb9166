"""A model with another vocabulary, which shares with the base all that it does not train."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from trainables.adaptation.initialise import Tables
from trainables.adaptation.parameters import AdaptationParameters
from trainables.adaptation.prepared import Aligned, Tokenised
from trainables.adaptation.stages import Stages

TRAINED = "trained.safetensors"
RECORD = "adaptation.json"
_IDS = ("bos_token_id", "eos_token_id", "pad_token_id")


class Adapted(nn.Module):
    """What a trial trains: tables of its own, and the base's weights or adapters on them.

    What is trained is kept in fp32, whatever the base is; passes are in the base's type. No tensor of the
    base is trained or replaced: the modules are copies, which hold the same frozen weights.

    Args:
        base: The base model, frozen.
        tables: Of the target vocabulary.
        text: The corpus in target tokens.
        params: Say what stage 2 trains.
        total: Optimizer steps of both stages.

    Attributes:
        text: See above.
        params: See above.
        aligned: What the tables began with.
        facts: How many tokens began how, by the metric's name.
        model: A causal language model of `transformers`, or of PEFT.
        marks: Bits per byte at the beginning of training and of stage 2.
        stages: What each has read.
    """

    def __init__(
        self, base: Any, tables: Tables, text: Tokenised, params: AdaptationParameters, total: int
    ) -> None:
        super().__init__()
        self.text, self.params = text, params
        self.marks, self.facts = dict[str, float](), dict[str, float]()
        self.stages = Stages(params.stage1_steps(total), len(text.train))
        self.aligned: Aligned
        shared = {id(weight): weight for weight in base.parameters()}
        model = copy.deepcopy(base, dict(shared))
        _put(model, tables, text.tokenizer)
        if params.stage2 == "full":
            _release(model, set(shared))
        self._type = next(base.parameters()).dtype
        self.model: Any = model
        if params.stage2 == "lora":
            self.model = get_peft_model(model, _lora(params))
        for weight in self.tables():
            weight.requires_grad_(True)

    def tables(self) -> list[nn.Parameter]:
        """The embeddings, and the head and its bias where they are others."""
        head = self.model.get_output_embeddings()
        parts = [self.model.get_input_embeddings().weight, head.weight, getattr(head, "bias", None)]
        return list({id(part): part for part in parts if part is not None}.values())

    def forward(self, **inputs: Any) -> Any:
        """As of the model itself, in the base's type."""
        half, device = self._type in (torch.bfloat16, torch.float16), self.tables()[0].device
        with torch.autocast(device.type, self._type) if half else nullcontext():
            return self.model(**inputs)

    def logits(self, input_ids: Tensor) -> Tensor:
        """Logits, shape (rows, length, target tokens)."""
        logits: Tensor = self(input_ids=input_ids, use_cache=False).logits
        return logits

    def write(self, folder: Path) -> None:
        """Writes what is trained, exactly, the tokenizer, and how it came about."""
        weights = {name: weight.detach().cpu().contiguous() for name, weight in self._trained()}
        save_file(weights, folder / TRAINED)
        self.text.tokenizer.save_pretrained(folder)
        hits, seconds, cached = self.aligned.hits, self.aligned.seconds, self.aligned.cached
        record = {
            "marks": self.marks,
            "coverage": self.facts,
            "alignment": {"top1": list(hits), "seconds": seconds, "kept_from_before": cached},
            "stages": self.stages.plain(),
        }
        (folder / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")

    def read(self, folder: Path) -> None:
        """Reads what `write` wrote."""
        weights = load_file(folder / TRAINED)
        for name, weight in self._trained():
            weight.data.copy_(weights[name])
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        self.marks = record["marks"]
        self.stages.resume(record["stages"])

    def deliver(self, folder: Path) -> None:
        """Writes the whole model in the base's type, adapters merged, for `AutoModelForCausalLM`."""
        whole = copy.deepcopy(self.model)
        if hasattr(whole, "merge_and_unload"):
            whole = whole.merge_and_unload()
        whole.to(self._type).save_pretrained(folder)

    def _trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        """What is trained in either stage, by name; what two modules share once."""
        frozen = "lora_" if self._adapted else ""
        tables = {id(table) for table in self.tables()}
        for name, weight in self.model.named_parameters():
            if id(weight) in tables or (weight.is_floating_point() and frozen in name):
                yield name, weight

    @property
    def _adapted(self) -> bool:
        return hasattr(self.model, "peft_config")


def _put(model: Any, tables: Tables, tokenizer: Any) -> None:
    """Gives a model other tables, and its configuration the numbers of their tokens."""
    rows = len(tables.embeddings)
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    embeddings.weight = _parameter(tables.embeddings)
    embeddings.num_embeddings, embeddings.padding_idx = rows, None
    head.weight = embeddings.weight if tables.head is None else _parameter(tables.head)
    head.out_features = rows
    if tables.bias is not None:
        head.bias = _parameter(tables.bias)
    config = model.config.get_text_config()
    config.vocab_size = rows
    for each in (config, model.config, model.generation_config):
        for name in _IDS if each is not None else ():
            setattr(each, name, getattr(tokenizer, name))


def _release(model: nn.Module, shared: set[int]) -> None:
    """Replaces weights that are the base's by copies that can be trained."""
    copies: dict[int, nn.Parameter] = {}
    for module in model.modules():
        for name, weight in module.named_parameters(recurse=False):
            if id(weight) in shared and weight.is_floating_point():
                copies.setdefault(id(weight), _parameter(weight.detach()))
                setattr(module, name, copies[id(weight)])


def _parameter(tensor: Tensor) -> nn.Parameter:
    return nn.Parameter(tensor.to(torch.promote_types(tensor.dtype, torch.float32), copy=True))


def _lora(params: AdaptationParameters) -> LoraConfig:
    return LoraConfig(
        r=params.rank,
        lora_alpha=params.alpha_per_rank * params.rank,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
