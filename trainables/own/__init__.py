"""Metrics and tasks of users: functions in Python files that a search was allowed to run, or of packages."""
