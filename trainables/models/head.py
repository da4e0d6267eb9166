"""The output head of a model, run only where its logits are wanted and on a part of the tokens at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn

from trainables.data.batches import token_losses
from trainables.models.chunks import NextTokens, Project, chunked_losses

_T = TypeVar("_T")

Reader = Callable[[Project, Tensor], _T]
"""What to make of the head's input, given the function from there to logits."""

_ROWS, _LENGTH = 2, 6
_SMALL, _LARGE = 2.0**-10, 2.0**30
_TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-4}
_HALF = 0.02
"""What rounding may change, as a share of the largest value."""

_FP32 = 1e-6
"""Likewise of single numbers that pass through fp32."""


@dataclass(frozen=True)
class Afterwards:
    """What a model does to the output of its head: cap * tanh(factor * x / cap).

    Attributes:
        factor: Such as Cohere's `logit_scale`, or 1.
        cap: That of Gemma 2's soft capping; None is no cap.
    """

    factor: float = 1.0
    cap: float | None = None

    def __call__(self, logits: Tensor) -> Tensor:
        """The model's logits from the head's output."""
        if self.factor != 1:
            logits = logits * self.factor
        return logits if self.cap is None else torch.tanh(logits / self.cap) * self.cap


class OutputHead:
    """The head of a causal language model whose logits depend on the input of the head alone.

    Args:
        module: The head.
        afterwards: What the model does to its output.
    """

    def __init__(self, module: nn.Module, afterwards: Afterwards | None = None) -> None:
        self._module = module
        self.afterwards = afterwards or Afterwards()

    def read(self, run: Callable[[], Any], reader: Reader[_T]) -> _T:
        """What `reader` makes of the head's input in a pass in which the head itself does nothing.

        The reader is called in place of the head, where sharded weights (ZeRO stage 3) are gathered once
        for all that it does with them.

        Args:
            run: Runs the model; the logits that it gets are empty.
            reader: See `Reader`.

        Raises:
            RuntimeError: The head was not called once.
        """
        results: list[_T] = []
        seen: list[Tensor] = []
        forward = self._module.forward

        def project(hidden: Tensor) -> Tensor:
            return self.afterwards(forward(hidden))

        def instead(hidden: Tensor) -> Tensor:
            results.append(reader(project, seen.pop()))
            return hidden.new_empty(*hidden.shape[:-1], 0)

        # Before DeepSpeed's own hook, which has the input's gradient say that the head's backward pass is
        # over, though there is none.
        hook = self._module.register_forward_pre_hook(lambda _, args: seen.append(args[0]), prepend=True)
        try:
            with _Replaced(self._module, instead):
                run()
        finally:
            hook.remove()
        if len(results) != 1:
            raise RuntimeError(f"the output head was called {len(results)} times in a pass")
        return results[0]


class _Replaced:
    """Context in which a module's `forward` is another, below the module's hooks."""

    def __init__(self, module: nn.Module, forward: Callable[..., Tensor]) -> None:
        self._module, self._forward = module, forward

    def __enter__(self) -> None:
        self._before = vars(self._module).get("forward")
        self._module.forward = self._forward

    def __exit__(self, *_: object) -> None:
        del self._module.forward
        if self._before is not None:
            self._module.forward = self._before


def find_head(model: nn.Module, vocabulary: int) -> OutputHead | str:
    """The head of a model, tried on a small batch; a collective call where passes are.

    Three passes: one as the model makes it; one in which the head's output is replaced by numbers of which
    the model's logits tell what is done to it; and one in which the head is left out, whose losses and
    gradients must be those of whole logits.

    Args:
        model: A causal language model, called as those of `transformers` are.
        vocabulary: Number of tokens.

    Returns:
        The head, or why passes need whole logits.

    Raises:
        torch.OutOfMemoryError: There is no memory for a small batch.
    """
    try:
        with torch.no_grad():
            return _tried_head(cast(Any, model), vocabulary)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - a named boundary: a model's code raises what it likes
        said = (str(error).splitlines() or [""])[0] or type(error).__name__
        return f"the output head cannot be left out ({said[:80]})"


def _tried_head(model: Any, vocabulary: int) -> OutputHead | str:
    module = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    if not isinstance(module, nn.Module):
        return "the model does not say which layer makes its logits"
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(vocabulary, (_ROWS, _LENGTH), generator=draw)
    device = next(model.parameters()).device

    def run() -> Tensor:
        return cast(Tensor, model(input_ids=ids.to(device), use_cache=False).logits)

    afterwards = _afterwards(module, run, draw)
    if afterwards is None:
        return "the model changes the logits that its output head makes"
    head = OutputHead(module, afterwards)
    logits = run()
    same = head.read(run, lambda project, hidden: _same(project, hidden, ids, logits))
    return head if same else "the logits are not those of the output head"


def _afterwards(module: nn.Module, run: Callable[[], Tensor], draw: torch.Generator) -> Afterwards | None:
    """What happens to the head's output, from what becomes of given numbers in place of it."""
    given = 20 * torch.randn(_ROWS, _LENGTH, 32, generator=draw, dtype=torch.float64)
    given[..., 0], given[..., 1] = _SMALL, _LARGE
    with _Replaced(module, lambda hidden: given.to(hidden.device)):
        got = run().double().cpu()
    if got.shape != given.shape:
        return None
    factor, largest = float(got[0, 0, 0]) / _SMALL, float(got[0, 0, 1])
    factor = 1.0 if abs(factor - 1) < _FP32 else factor
    linear = abs(largest - factor * _LARGE) <= _FP32 * abs(factor) * _LARGE
    afterwards = Afterwards(factor, None if linear or not largest else largest)
    differs = (afterwards(given) - got).abs() > _FP32 * (1 + got.abs())
    return None if differs.any() else afterwards


def _same(project: Project, hidden: Tensor, ids: Tensor, logits: Tensor) -> bool:
    """Whether the head's input gives these logits, and the same losses and gradients by parts."""
    tokens, device = NextTokens.of(ids), hidden.device
    runs = []
    with torch.enable_grad():
        for whole in (True, False):
            leaf = hidden.detach().requires_grad_()
            if whole:
                projected = project(leaf)
                losses = token_losses(projected, ids.to(device))
            else:
                losses = chunked_losses(project, leaf, tokens.to(device), chunk=3)[:, :-1]
            torch.autograd.backward(losses.sum())
            runs.append((losses.detach(), leaf.grad))
    (losses, grad), (by_parts, other) = runs
    pairs = ((logits, projected.detach()), (losses, by_parts), (grad, other))
    # Some models compute in fp32 whatever their type.
    share = max(_TOLERANCES.get(each.dtype, _HALF) for each in (hidden, projected, logits))
    return all(a is not None and b is not None and _close(a, b, share) for a, b in pairs)


def _close(first: Tensor, second: Tensor, share: float) -> bool:
    if first.shape != second.shape:
        return False
    return bool((first.double() - second.double()).abs().max() <= share * first.double().abs().max())
