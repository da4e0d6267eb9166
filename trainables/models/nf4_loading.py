"""Has transformers quantise layers to NF4 while it reads them, so that no dense model is ever held."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers.core_model_loading import ConversionOps
from transformers.quantizers.auto import register_quantization_config, register_quantizer
from transformers.quantizers.base import HfQuantizer
from transformers.quantizers.quantizers_utils import should_convert_module
from transformers.utils.quantization_config import QuantizationConfigMixin

from trainables.models.linear import linear_layers
from trainables.models.nf4 import Nf4Linear, empty

_METHOD = "tightrope_nf4"


@register_quantization_config(_METHOD)
class Nf4Config(QuantizationConfigMixin):  # type: ignore[misc]
    """What `from_pretrained` is given.

    Args:
        double_quant: Whether the scales of the weights are quantised as well.
    """

    def __init__(self, double_quant: bool = True) -> None:
        self.quant_method = _METHOD
        self.double_quant = double_quant


@register_quantizer(_METHOD)
class Nf4Quantizer(HfQuantizer):  # type: ignore[misc]
    """Puts `Nf4Linear` in the place of every layer that an adapter can be put on, and quantises its weight.

    What is wrong with a weight is noted here, because the library would end with a message of its own.

    Attributes:
        mismatched: Names, shapes in the files, and shapes that the model has.
        not_finite: Names of weights with NaN or infinity, which quantising may hide.
    """

    def __init__(self, quantization_config: Nf4Config, **kwargs: Any) -> None:
        super().__init__(quantization_config, **kwargs)
        self.mismatched: list[tuple[str, torch.Size, torch.Size]] = []
        self.not_finite: list[str] = []
        self._transposed: set[str] = set()

    @property
    def is_trainable(self) -> bool:
        """Adapters are."""
        return True

    def is_serializable(self) -> bool:
        """The base model is never saved."""
        return False

    def param_needs_quantization(self, model: nn.Module, param_name: str, **_: Any) -> bool:
        """Whether this is the weight of a layer that is kept in NF4."""
        module, _dot, name = param_name.rpartition(".")
        return name == "weight" and isinstance(model.get_submodule(module), Nf4Linear)

    def get_quantize_ops(self) -> ConversionOps:
        """What turns such a weight into what is kept."""
        return _Quantise(self)

    def _process_model_before_weight_loading(self, model: Any, **_: Any) -> None:
        precise = list(model._keep_in_fp32_modules or ())
        double_quant = self.quantization_config.double_quant
        for name, layer in linear_layers(model).items():
            if should_convert_module(name, precise):
                model.set_submodule(name, empty(layer, model.get_submodule(name), double_quant))
                if layer.transposed:
                    self._transposed.add(name)

    def convert(self, model: nn.Module, name: str, weight: Tensor) -> nn.Parameter:
        """The weight as it is kept."""
        module = name.rpartition(".")[0]
        layer = model.get_submodule(module)
        assert isinstance(layer, Nf4Linear)
        weight = weight.t().contiguous() if module in self._transposed else weight
        expected = torch.Size((layer.out_features, layer.in_features))
        if weight.shape != expected:
            self.mismatched.append((name, weight.shape, expected))
            weight = weight.new_zeros(expected)
        low, high = torch.aminmax(weight)
        if not torch.isfinite(low) & torch.isfinite(high):
            self.not_finite.append(name)
        return layer.quantised(weight)


class _Quantise(ConversionOps):  # type: ignore[misc]
    def __init__(self, quantizer: Nf4Quantizer) -> None:
        self._quantizer = quantizer

    @torch.no_grad()
    def convert(
        self, input_dict: dict[str, Any], model: nn.Module | None = None, **_: Any
    ) -> dict[str, nn.Parameter]:
        assert model is not None
        return {
            name: self._quantizer.convert(model, name, value[0] if isinstance(value, list) else value)
            for name, value in input_dict.items()
        }
