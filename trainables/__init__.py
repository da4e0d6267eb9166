"""Trains: what runs inside a Ray Train worker. Imports nothing of `search` or `analysis`."""
