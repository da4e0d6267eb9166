"""Adapters by name on one frozen base model; PEFT owns their layers, initialisation and format."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from trainables.errors import UserError
from trainables.lora.arena import Arena
from trainables.lora.layout import Dropout, Layout
from trainables.lora.packed import PackedPass
from trainables.lora.parameters import LoraParameters
from trainables.lora.starts import first_weights, whole_weight
from trainables.lora.targets import no_dora, routed_dropout, routed_layer, select_modules, unsuitable_start
from trainables.models.linear import NF4, linear_layers
from trainables.serving.checkpoints import MOMENTS

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


class Adapters:
    """Adds, saves and drops adapters on a base model that is shared and never changed.

    PEFT names, initialises, saves and loads them. Their weights lie in the rows of an arena, of which PEFT's
    parameters are views, and the layers' forward pass is `PackedPass`, which runs several at once.

    Args:
        base: Causal language model, frozen; its linear layers are wrapped in place by PEFT.
        source: Model id or folder, written into saved adapters.
    """

    def __init__(self, base: nn.Module, source: str) -> None:
        self.base = base
        self._source = source
        layers = linear_layers(base)
        self.linear = list(layers)
        self._shell = Shell(base)
        self._peft: PeftModel | None = None
        self.names: list[str] = []
        weight = next(base.parameters())
        low = weight.dtype if weight.dtype in (torch.float16, torch.bfloat16) else None
        self._features = {name: (layer.inner, layer.outer) for name, layer in layers.items()}
        self._quantised = any(type(base.get_submodule(name)).__name__ == NF4 for name in layers)
        self._transposed = any(layer.transposed for layer in layers.values())
        self.arena = Arena(self._features, weight.device, torch.float32 if low else weight.dtype)
        self._shared = PackedPass(self.arena, low)
        self._scales: dict[str, float] = {}
        self._active = 0
        self._planes: Sequence[int] = (0,)

    def chosen(self, params: LoraParameters) -> list[str]:
        """Names of the layers that such an adapter is put on.

        Raises:
            UserError: No layer of the model fits `target_modules`; dropout is asked for where a layer sees
                routed tokens, which have no place in their example; a layer cannot begin as
                `init_lora_weights` says, or have the magnitudes that `use_dora` asks for.
        """
        chosen = select_modules(self.linear, params)
        if params.dropout and (layer := routed_layer(chosen)) is not None:
            raise UserError(*routed_dropout(layer))
        if params.use_dora and (taken := [name for name in chosen if taken_for_expert(name, self.base)]):
            raise UserError(*no_dora(taken[0]))
        sizes = {name: self._features[name] for name in chosen}
        if (unsuitable := unsuitable_start(sizes, params, self._quantised)) is not None:
            raise UserError(*unsuitable)
        return chosen

    def add(self, name: str, params: LoraParameters) -> None:
        """Adds a fresh adapter, initialised from the trial's seed as PEFT does by default, as the last row.

        Raises:
            UserError: See `chosen`.
            torch.OutOfMemoryError: There is no room; nothing has changed.
        """
        chosen = self.chosen(params)
        config = LoraConfig(
            r=params.width,
            target_modules=chosen,
            **_strength(params),
            lora_dropout=params.dropout,
            fan_in_fan_out=self._transposed,
            bias="none",
            task_type="CAUSAL_LM",
        )
        try:
            with torch.random.fork_rng():
                torch.manual_seed(params.seed)
                if self._peft is None:
                    self._peft = PeftModel(self._shell, config, adapter_name=name)
                else:
                    self._peft.add_adapter(name, config)
            frozen = params.width - params.rank
            self.arena.add(dict.fromkeys(chosen, params.width), frozen, params.use_dora)
            self.names.append(name)
            self._scales[name] = params.scale
            self._take_over(name)
        except torch.OutOfMemoryError:
            self.remove(name)
            raise

    def _take_over(self, name: str) -> None:
        """Moves the weights that PEFT has made for the last row into the arena."""
        for site, (a, b) in self.arena.views(len(self.names) - 1, self.arena.weights).items():
            layer = self._layer(site)
            a.copy_(layer.lora_A[name].weight.data)
            b.copy_(layer.lora_B[name].weight.data.t())
            if "forward" not in vars(layer):
                layer.forward = partial(self._forward, site, layer)
        self._point()

    def begin(self, name: str, params: LoraParameters) -> None:
        """Gives a fresh adapter the first weights that its parameters say, drawn from the trial's seed.

        Under ZeRO stage 3 a collective call.
        """
        rank, row = params.rank, self.names.index(name)
        magnitudes = self.arena.magnitudes(row, self.arena.weights)
        with torch.random.fork_rng():
            torch.manual_seed(params.seed)
            for site, (a, b) in self.arena.views(row, self.arena.weights).items():
                with whole_weight(self._layer(site).base_layer) as weight:
                    if params.init_lora_weights != "default":
                        first_a, first_b = first_weights(weight, params)
                        a.copy_(first_a.repeat(params.width // rank, 1))
                        b.copy_(first_b.t().repeat(params.width // rank, 1))
                        b[rank:].neg_()
                    if params.use_dora:
                        tuned = torch.addmm(weight.to(a.dtype), b.t(), a, alpha=params.scale)
                        magnitudes[site].copy_(torch.linalg.vector_norm(tuned, dim=1))

    def row(self, name: str) -> Tensor:
        """All weights of an adapter, shape (columns,), sharing the arena's storage."""
        return self.arena.weights[self.names.index(name)]

    def _forward(self, site: str, layer: LoraLayer, x: Tensor) -> Tensor:
        return self._shared.run(site, layer.base_layer, x)

    def remove(self, name: str) -> None:
        """Drops an adapter, whole or half made; the base is as it was. Needs no memory."""
        if self._peft is not None and name in self._peft.peft_config:
            self._peft.delete_adapter(name)
        if name in self.names:
            row = self.names.index(name)
            self.arena.remove(row)
            self.names[row] = self.names[-1]
            self.names.pop()
            self._point()

    def arrange(self, names: Sequence[str]) -> None:
        """Puts these adapters first, in this order."""
        order = [*names, *(name for name in self.names if name not in names)]
        if order != self.names:
            self.arena.reorder([self.names.index(name) for name in order])
            self.names = order
            self._point()

    def _layer(self, site: str) -> LoraLayer:
        layer = self.base.get_submodule(site)
        assert isinstance(layer, LoraLayer)
        return layer

    def _point(self) -> None:
        """Lets PEFT's parameters be views of the arena, wherever its rows are now."""
        self._shared.rows_moved([self._scales[name] for name in self.names])
        for row, name in enumerate(self.names):
            for site, (a, b) in self.arena.views(row, self.arena.weights).items():
                layer = self._layer(site)
                layer.lora_A[name].weight.data = a
                layer.lora_B[name].weight.data = b.t()

    @contextmanager
    def active(self, trials: int, planes: int = 1) -> Iterator[None]:
        """Has the passes to come use the first rows, with their weights as they are now.

        Args:
            trials: Number of trials.
            planes: Adapters of each; the first adapters of all trials come first in the arena.
        """
        self._active, self._planes = trials, range(planes)
        self._shared.take_weights(trials * planes)
        try:
            yield
        finally:
            self._active, self._planes, self._shared.layout = 0, (0,), None

    @contextmanager
    def without(self, planes: Collection[int]) -> Iterator[None]:
        """Has the passes to come leave out these adapters of each trial, but not all, within `active`."""
        before = self._planes
        self._planes = [plane for plane in before if plane not in planes]
        try:
            yield
        finally:
            self._planes, self._shared.layout = before, None

    @contextmanager
    def inactive(self) -> Iterator[None]:
        """Has the base run as it is, within `active` too."""
        active, self._active = self._active, 0
        layout, self._shared.layout = self._shared.layout, None
        try:
            yield
        finally:
            self._active, self._shared.layout = active, layout

    def lay_out(
        self,
        first: int,
        counts: Sequence[int],
        dropout: Dropout | None = None,
        gates: Sequence[Tensor | None] = (),
    ) -> None:
        """Says whose the rows of the next pass are, within `active`; before that the base runs as it is.

        Args:
            first: The first trial of the pass.
            counts: See `Layout`, as for the rest.
            dropout: Likewise.
            gates: Likewise.
        """
        starts = [plane * self._active + first for plane in self._planes]
        self._shared.layout = Layout(starts, counts, self.arena.weights.device, dropout, gates)

    def lay_out_active(self, counts: Sequence[int]) -> None:
        """`lay_out` from the first adapter on, within `active`; without any, the base runs as it is."""
        if self._active:
            self.lay_out(0, counts)

    def factors(self, name: str) -> dict[str, tuple[Tensor, Tensor]]:
        """A (rank, in) and B (out, rank) of an adapter by layer, sharing the arena's storage."""
        views = self.arena.views(self.names.index(name), self.arena.weights)
        return {site: (a, b.t()) for site, (a, b) in views.items()}

    def copy(self, source: str, target: str) -> None:
        """Gives an adapter the weights of another one of the same shape."""
        weights = self.factors(source)
        for site, pair in self.factors(target).items():
            for value, given in zip(pair, weights[site], strict=True):
                value.copy_(given)

    def moments(self, name: str) -> dict[str, Tensor]:
        """Both moments of the adapter's AdamW, sharing the arena's storage.

        Returns:
            By `exp_avg` or `exp_avg_sq`, the layer's name and the part's letter, joined by dots: A of shape
            (rank, in), B transposed, of shape (rank, out), and with magnitudes M of shape (out,).
        """
        row = self.names.index(name)
        return {
            f"{kind}.{site}.{letter}": tensor
            for kind, moments in (("exp_avg", self.arena.first), ("exp_avg_sq", self.arena.second))
            for site, parts in self.arena.trained(row, moments[row]).items()
            for letter, tensor in zip("ABM", parts, strict=False)
        }

    def save(self, name: str, folder: Path) -> None:
        """Writes the adapter into `folder` in PEFT format, as `PeftModel.from_pretrained` reads it."""
        assert self._peft is not None
        weights = get_peft_model_state_dict(self._peft, adapter_name=name, save_embedding_layers=False)
        weights |= self._magnitudes(name)
        folder.mkdir(exist_ok=True)
        save_file({key: _own(value) for key, value in weights.items()}, folder / WEIGHTS)
        config = saved_config(self._peft.peft_config[name], self.base)
        config |= {"inference_mode": True, "base_model_name_or_path": self._source}
        config["use_dora"] = bool(self._magnitudes(name))
        (folder / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True, default=_plain))

    def load(self, name: str, folder: Path) -> None:
        """Reads weights saved by `save` into the adapter `name`, which must have the same shape."""
        assert self._peft is not None
        weights: dict[str, Tensor] = load_file(folder / WEIGHTS)
        for key, magnitudes in self._magnitudes(name).items():
            magnitudes.copy_(weights.pop(key))
        set_peft_model_state_dict(self._peft, weights, adapter_name=name)

    def _magnitudes(self, name: str) -> dict[str, Tensor]:
        """Magnitudes by the names that PEFT has for them in files; no layer of PEFT's holds them here."""
        held = self.arena.magnitudes(self.names.index(name), self.arena.weights)
        return {f"base_model.model.{site}.lora_magnitude_vector": each for site, each in held.items()}

    def save_moments(self, names: Mapping[str, str], folder: Path) -> None:
        """Writes both moments of adapters, so that training continues as if it had not stopped.

        Args:
            names: The adapters' names by what their moments' names begin with.
            folder: Where to.
        """
        saved = {
            prefix + key: _own(value)
            for prefix, name in names.items()
            for key, value in self.moments(name).items()
        }
        save_file(saved, folder / MOMENTS)

    def load_moments(self, names: Mapping[str, str], folder: Path) -> None:
        """Reads what `save_moments` wrote with these prefixes."""
        saved = load_file(folder / MOMENTS)
        for prefix, name in names.items():
            for key, value in self.moments(name).items():
                value.copy_(saved[prefix + key])


def _strength(params: LoraParameters) -> dict[str, Any]:
    """What PEFT computes the scale from; it divides by the rank that it knows."""
    if params.subtracts_start:
        return {"lora_alpha": params.scale * params.width}
    return {"lora_alpha": params.effective_alpha, "use_rslora": params.rslora}


def _own(value: Tensor) -> Tensor:
    """A copy in memory of its own: rows of an arena share theirs, which safetensors refuses."""
    return value.detach().cpu().contiguous().clone()


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, set | frozenset) else str(value)


class Shell(nn.Module):
    """The modules of a model without its configuration, for PEFT to put adapters on.

    By a model's configuration PEFT takes the names gate_proj, up_proj and down_proj for those of experts in
    many families, even where full names say that other layers are meant. Here names mean what they say.

    Args:
        model: Its modules are shared, and get the same names.
    """

    is_gradient_checkpointing = False  # PEFT asks, and would prepare a model that does not say no

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        for name, module in model.named_children():
            self.add_module(name, module)


def saved_config(config: LoraConfig, model: nn.Module) -> dict[str, Any]:
    """The configuration with which `PeftModel.from_pretrained` puts an adapter on the same layers.

    Layers whose names PEFT would take for those of experts are given as parameters instead: for these
    names stay what they are, and the weights have the same names. PEFT allows no dropout with them.

    Args:
        config: As it was given to PEFT, with full names of modules.
        model: The base model.
    """
    saved: dict[str, Any] = config.to_dict()
    names = set(config.target_modules or ())
    taken = {name for name in names if taken_for_expert(name, model)}
    if taken:
        parameters = sorted(f"{name}.weight" for name in taken)
        saved |= {"target_modules": sorted(names - taken), "target_parameters": parameters}
        saved["lora_dropout"] = 0.0
    return saved


def taken_for_expert(name: str, model: nn.Module) -> bool:
    """Whether PEFT takes a layer for one of experts by its name, and adapts its weight as a parameter."""
    alone = LoraConfig(target_modules=[name])
    try:
        convert_peft_config_for_transformers(alone, model, None)
    except ValueError:  # "cannot convert gate_proj without also targeting up_proj"
        return True
    return bool(alone.target_parameters)
