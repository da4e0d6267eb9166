"""The frozen base model, held for as long as the worker lives; by DeepSpeed where several workers do."""

from __future__ import annotations

import logging
import os
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainables.models.checkpointing import checkpoint_blocks
from trainables.models.chunk_size import chunk_tokens, small
from trainables.models.chunks import NextTokens, chunked_losses
from trainables.models.head import OutputHead, find_head


def start_deepspeed(device: torch.device) -> Any:
    """Imports DeepSpeed and attaches it to the process group, which must have been made.

    Args:
        device: Where the model is.

    Returns:
        The module `deepspeed`, with its logging down to warnings.
    """
    if device.type == "cpu":
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    os.environ.setdefault("LOCAL_RANK", "0")  # launchers set it, and DeepSpeed asks for it
    logging.getLogger("DeepSpeed").setLevel(logging.WARNING)
    import deepspeed

    deepspeed.utils.logger.setLevel(logging.WARNING)
    # Only its inference kernels use this operator; leaving it out spares a 35 s compilation and the compiler.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed(dist_backend=dist.get_backend(), verbose=False)
    return deepspeed


def needs_deepspeed(zero_stage: int) -> bool:
    """Whether a base model is held by DeepSpeed: not on a single worker that keeps the whole of it."""
    return zero_stage == 3 or _world() > 1


def _world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


class HeldBase:
    """A frozen causal language model, under DeepSpeed ZeRO where there is anything to share.

    Stages 0, 1 and 2 keep the whole model on every worker: what stages 1 and 2 shard beyond stage 0 are
    the optimizer state and gradients of trained weights, and a frozen base has neither. Stage 3
    shards the weights over the workers and gathers each layer when a pass reaches it
    (Rajbhandari et al., 2020, arXiv:1910.02054). Adapters are never under ZeRO. A single worker with the
    whole model needs neither DeepSpeed nor a process group.

    Args:
        model: The model, frozen, on its device.
        zero_stage: 0 to 3.
        persist: Under stage 3, weights of at most this many elements stay gathered on every worker.
        checkpointing: Keep nothing of a block for the backward pass but its input, and compute it again.

    Raises:
        UserError: `checkpointing` is asked for and the model cannot do it.

    Attributes:
        head: The output head, where logits are made for targets only.
        whole_logits: Why they are made for all tokens, or nothing; None until `find_head` is called.
    """

    head: OutputHead | None = None
    whole_logits: str | None = None

    def __init__(
        self, model: nn.Module, zero_stage: int = 0, persist: int = 100_000, checkpointing: bool = False
    ) -> None:
        self.device = next(model.parameters()).device
        self.sharded = zero_stage == 3
        self.world = _world()
        self.rank = dist.get_rank() if dist.is_initialized() else 0
        self.model = model
        if needs_deepspeed(zero_stage):
            self._engine = self._under_deepspeed(persist)
            self.model = self._engine.module
        if checkpointing:
            checkpoint_blocks(self.model)

    def _under_deepspeed(self, persist: int) -> Any:
        deepspeed = start_deepspeed(self.device)
        sharding: dict[str, Any] = {"stage": 3, "stage3_param_persistence_threshold": persist}
        if "leaf_module" in deepspeed.runtime.zero.config.DeepSpeedZeroConfig.model_fields:
            # By default DeepSpeed gathers the blocks of some MoE models whole. As it lets go of them it looks
            # into the modules that follow, and fails on adapters, which it does not know. Experts are few
            # large weights in transformers 5, and need no such care.
            sharding["leaf_module"] = {"classes": []}
        half = next(self.model.parameters()).dtype == torch.bfloat16
        config = {
            "train_micro_batch_size_per_gpu": 1,
            "zero_optimization": sharding if self.sharded else {"stage": 0},
            "bf16": {"enabled": half and self.sharded},
        }
        engine, *_ = deepspeed.initialize(model=self.model, config=config, dist_init_required=False)
        return engine

    def logits(self, input_ids: Tensor, positions: Tensor | None = None) -> Tensor:
        """Logits of all tokens, shape (rows, length, vocabulary).

        Args:
            input_ids: Shape (rows, length).
            positions: Likewise; they begin anew with each example of a row. None: a row is one example.
        """
        given = {} if positions is None else {"position_ids": positions}
        logits: Tensor = self.model(input_ids=input_ids, use_cache=False, **given).logits
        return logits

    def find_head(self, always: bool = False) -> str:
        """Finds out whether logits can be made for targets only; a collective call.

        Args:
            always: Also in passes that are so small that whole logits take no longer.

        Returns:
            Why they cannot, or nothing.
        """
        model: Any = self.model
        self._vocabulary, self._always = int(model.get_input_embeddings().num_embeddings), always
        head = find_head(model, self._vocabulary)
        self.whole_logits = head if isinstance(head, str) else ""
        if self.any_worker(isinstance(head, str)):
            self.whole_logits = self.whole_logits or "another worker cannot do without"
        self.head = None if isinstance(head, str) or self.whole_logits else head
        return self.whole_logits

    def losses(self, input_ids: Tensor, wanted: NextTokens, positions: Tensor | None = None) -> Tensor:
        """Cross-entropy of the wanted tokens in nats, fp32 or better, shape (rows, length); 0 elsewhere.

        Args:
            input_ids: Shape (rows, length).
            wanted: What is to be predicted.
            positions: See `logits`.
        """
        if self.head is None or self._small(input_ids.numel(), len(wanted.places)):
            return wanted.losses(self.logits(input_ids, positions))
        chunk = chunk_tokens(self._vocabulary, self.device.type)
        return self.head.read(
            lambda: self.logits(input_ids, positions),
            lambda project, hidden: chunked_losses(project, hidden, wanted, chunk),
        )

    def _small(self, places: int, wanted: int) -> bool:
        # Workers that share sharded weights must gather them alike, and for whole logits it is once more.
        always = self._always or self.sharded
        return not always and small(places, wanted, self._vocabulary, self.device.type)

    def after_backward(self) -> None:
        """Lets go of layers that a backward pass left gathered (stage 3)."""
        if self.sharded:
            self._engine.optimizer.release_backward_leftovers()

    def reduce(self, tensor: Tensor) -> Tensor:
        """Sums a tensor over the workers, in place."""
        if self.world > 1:
            dist.all_reduce(tensor)
        return tensor

    def take_first(self, tensor: Tensor) -> None:
        """Gives every worker the first one's numbers, in place."""
        if self.world > 1:
            dist.broadcast(tensor, 0)

    def any_worker(self, says: bool) -> bool:
        """Whether any worker says so; a collective call."""
        flag = torch.tensor([float(says)], device=self.device)
        return bool(self.reduce(flag) > 0)

    def gather(self, data: bytes) -> list[bytes]:
        """Every worker's bytes, in order of rank; a collective call."""
        if self.world == 1:
            return [data]
        gathered = [b""] * self.world
        dist.all_gather_object(gathered, data)
        return gathered
