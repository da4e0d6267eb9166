"""All that is claimed of a GPU, measured on one by one command: ``python -m benchmarks.gpu``."""
