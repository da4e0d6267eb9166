"""Silences the chatter of the model libraries."""

from __future__ import annotations

import logging


def quiet_libraries() -> None:
    """Leaves only errors of transformers and the hub client, and no progress bars.

    Uses the libraries' own switches; Python's warnings and other loggers stay as they are.
    """
    from huggingface_hub import logging as hub
    from huggingface_hub.utils.tqdm import disable_progress_bars
    from transformers.utils import logging as transformers

    transformers.set_verbosity_error()
    transformers.disable_progress_bar()
    hub.set_verbosity(logging.ERROR)
    disable_progress_bars()
