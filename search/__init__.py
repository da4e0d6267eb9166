"""Decides: configuration, plan, searchers, schedulers, the Tune loop, the record and MLflow."""

from search.shadows import leave_working_directory

leave_working_directory()
