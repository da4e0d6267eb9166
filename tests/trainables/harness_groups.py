"""Groups that score tasks of lm-evaluation-harness."""

from __future__ import annotations

from pathlib import Path

import torch

from trainables.lora.held import LoraHeld
from trainables.lora.loading import load
from trainables.lora.parameters import LoraOptions
from trainables.messages import BaselineRequest, Delivery, GroupSettings, Params, Reply, TrainRequest
from trainables.serving.server import Server
from trainables.settings import CapabilityConfig, ModelConfig, SkillConfig, TaskConfig

PARAMS: Params = {"lr": 1e-2, "rank": 4, "batch_size": 2, "seed": 1}


def settings(folder: Path, stage: int, *paths: str) -> GroupSettings:
    """A group that asks the task files of these paths."""
    skills = [
        SkillConfig(name=Path(path).stem, path=f"lm_eval:{path}", scoring=("harness",)) for path in paths
    ]
    return GroupSettings(
        trainable="lora",
        options=LoraOptions(
            model=ModelConfig(name="embedded", source="embedded"),
            task=TaskConfig(
                name="lighthouse",
                train="embedded:domain_train.jsonl",
                heldout="embedded:domain_heldout.jsonl",
                heldout_examples=4,
            ),
            capability=CapabilityConfig(skills=tuple(skills), kl_prompts=2),
        ),
        seed=0,
        total_steps=8,
        zero_stage=stage,
        micro_batch=None,
        folder=str(folder),
        threads=1,
        use_gpu=False,
        slots=2,
        most_slots=2,
        probes=(PARAMS,),
    )


def answers(given: GroupSettings) -> list[Reply]:
    """What the base model and two trials that are measured together are answered."""
    server = Server(given, LoraHeld(given, load(given, torch.device("cpu"))))
    server.accept(Delivery(0, 0, BaselineRequest()))
    for trial in range(2):
        rung = TrainRequest(trial, {**PARAMS, "seed": trial}, 0, 2, None, f"trials/{trial}/rung-0")
        server.accept(Delivery(1 + trial, trial, rung))
    found = dict(server.answers())
    while server.training:
        server.step(interrupt=False)
        found |= dict(server.answers())
    server.close()
    return [found[sequence] for sequence in range(3)]
