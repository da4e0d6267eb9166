"""What a finished trial's own curves and measurements say about how its training went.

Simple and light: reads a record, imports neither Ray nor torch, and decides nothing.
"""
