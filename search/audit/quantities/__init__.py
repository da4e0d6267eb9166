"""Derived quantities, each registered beside its definition."""

from search.audit.quantities import adapters, rates, samples, schedules, training

__all__ = ["adapters", "rates", "samples", "schedules", "training"]
