"""Trainers whose configuration can be written, each in a file that registers itself."""

from tightrope.export.recipes import axolotl, llamafactory, trl
from tightrope.export.recipes.base import RECIPES, Trainer

__all__ = ["RECIPES", "Trainer", "axolotl", "llamafactory", "trl"]
