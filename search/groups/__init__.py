"""Warm worker groups: long-lived Ray Train runs that hold the base model and serve trials."""
