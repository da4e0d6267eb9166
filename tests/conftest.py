"""What all tests share."""

from __future__ import annotations

import gc
import os

from hypothesis import settings

# How long an example takes says how busy the machine is. In CI Hypothesis chooses its own profile.
if not os.environ.get("CI"):
    settings.register_profile("patient", deadline=None)
    settings.load_profile("patient")

# Importing the libraries makes near a million objects that live until the end. Looking through them for
# garbage again and again took a tenth of the time of the unit tests.
gc.disable()


def pytest_collection_finish() -> None:
    """Leaves what was imported out of all further collections of garbage, which are made less often."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()
