"""One trial's optimizer: AdamW on its own adapter, with its own gradient norm and step count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from trainables.errors import DivergedError
from trainables.lora.parameters import LoraParameters
from trainables.lora.schedule import learning_rate

STATE = "optimizer.safetensors"


class AdapterOptimizer:
    """AdamW (arXiv:1711.05101) with clipping by this adapter's own global norm.

    Args:
        parameters: The adapter's tensors by name.
        params: The trial's parameters.
        total: Steps of the full budget, for the schedule.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], params: LoraParameters, total: int) -> None:
        self._parameters = dict(parameters)
        self._params = params
        self._total = total
        self._adamw = torch.optim.AdamW(
            list(self._parameters.values()), lr=params.lr, weight_decay=params.weight_decay, foreach=True
        )

    def step(self, step: int, loss: Tensor | None, reduce: Callable[[Tensor], Tensor]) -> float | None:
        """Applies the accumulated gradients and clears them; a collective call.

        Args:
            step: 0-based optimizer step.
            loss: This worker's share of the batch's mean loss, a scalar; None where it ran out of memory.
            reduce: Sums a tensor over the workers.

        Returns:
            Mean loss of the whole batch; None, on every worker, where any ran out of memory.

        Raises:
            DivergedError: The loss or the gradient is NaN or Inf; the weights are not touched.
        """
        tensors = list(self._parameters.values())
        ends = torch.zeros(2, device=tensors[0].device)
        if loss is None:
            self.clear()
            ends[1] = 1.0
        else:
            ends[0] = loss.detach()
        flat = reduce(torch.cat([*(_gradient(tensor).reshape(-1) for tensor in tensors), ends]))
        grads, (total_loss, short) = flat[:-2], flat[-2:].tolist()
        if short:
            self.clear()
            return None
        norm = float(torch.linalg.vector_norm(grads))
        if not (_finite(total_loss) and _finite(norm)):
            self.clear()
            raise DivergedError(f"loss {total_loss:g}, gradient norm {norm:g} at step {step + 1}")
        if self._params.clip and norm > self._params.clip:
            grads *= self._params.clip / (norm + 1e-6)
        offset = 0
        for tensor in tensors:
            tensor.grad = grads[offset : offset + tensor.numel()].view_as(tensor)
            offset += tensor.numel()
        self._adamw.param_groups[0]["lr"] = learning_rate(self._params, step, self._total)
        self._adamw.step()
        self.clear()
        return float(total_loss)

    def clear(self) -> None:
        """Drops accumulated gradients."""
        for tensor in self._parameters.values():
            tensor.grad = None

    def save(self, folder: Path) -> None:
        """Writes both moments, so that training goes on from `folder` as if it had not stopped."""
        moments = {}
        for name, tensor in self._parameters.items():
            state = self._adamw.state[tensor]
            if state:
                moments[f"exp_avg.{name}"] = state["exp_avg"].cpu()
                moments[f"exp_avg_sq.{name}"] = state["exp_avg_sq"].cpu()
        save_file(moments, folder / STATE)

    def load(self, folder: Path, step: int) -> None:
        """Reads the moments after `step` steps."""
        moments = load_file(folder / STATE)
        for name, tensor in self._parameters.items():
            self._adamw.state[tensor] = {
                "step": torch.tensor(float(step)),
                "exp_avg": moments[f"exp_avg.{name}"].to(tensor.device),
                "exp_avg_sq": moments[f"exp_avg_sq.{name}"].to(tensor.device),
            }


def _gradient(tensor: nn.Parameter) -> Tensor:
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad


def _finite(value: float) -> bool:
    return value - value == 0.0
