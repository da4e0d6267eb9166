"""Throughput of packed trials against the same trials one at a time: ``python -m benchmarks.packing``."""
