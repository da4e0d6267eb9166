"""Derived quantities, each registered beside its definition."""

from search.audit.quantities import training

__all__ = ["training"]
