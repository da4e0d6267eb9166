"""Trains: what runs inside a Ray Train worker. Imports nothing of `search` or `analysis`."""

import os

# Where the package `kernels` is installed, transformers would fetch code from the hub and run it. It looks at
# this once, while it is imported.
os.environ.setdefault("USE_HUB_KERNELS", "NO")
