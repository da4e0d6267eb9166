"""The trainables that there are: those that come with the project, and those of installed packages.

A package brings one by an entry point of the group `tightrope.trainables`, whose name is the trainable's and
which names a module that registers it when it is imported.
"""

from __future__ import annotations

from trainables.adaptation import spec as adaptation
from trainables.lora import spec as lora
from trainables.reconstruction import spec as reconstruction
from trainables.routing import spec as routing
from trainables.trainable import TRAINABLES, TrainableSpec

__all__ = ["TRAINABLES", "TrainableSpec", "adaptation", "lora", "reconstruction", "routing"]
