"""Why a trial cannot be exported."""

from __future__ import annotations

from search.errors import TightropeError


class ExportRefusedError(TightropeError):
    """Nothing was written: the trial, its files, the base or the destination do not allow it."""

    exit_code = 2
