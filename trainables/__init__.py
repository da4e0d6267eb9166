"""Trains: what runs inside a Ray Train worker. Imports nothing of `search` or `analysis`."""

import logging
import os
import sys

# Where the package `kernels` is installed, transformers would fetch code from the hub and run it. It looks at
# this once, while it is imported. bitsandbytes, which PEFT imports, does not look: it finds no such package.
os.environ.setdefault("USE_HUB_KERNELS", "NO")
sys.modules.setdefault("kernels", None)  # type: ignore[arg-type]
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)  # it says so at each start
