"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

# How long an example takes says how busy the machine is. In CI Hypothesis chooses its own profile.
if not os.environ.get("CI"):
    settings.register_profile("patient", deadline=None)
    settings.load_profile("patient")
