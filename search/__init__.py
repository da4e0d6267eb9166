"""Decides: configuration, plan, searchers, schedulers, the Tune loop, the record and MLflow."""
