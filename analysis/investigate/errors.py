"""Errors of an investigation."""

from __future__ import annotations

from search.errors import TightropeError


class InputError(TightropeError):
    """A folder, a table or a column is not what the investigation needs."""

    exit_code = 2
