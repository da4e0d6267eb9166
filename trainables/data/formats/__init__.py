"""The forms in which data are recognised, each by its fields, in the order in which they are tried."""

# In the order in which they are tried.
from trainables.data.formats import facts, builtin  # noqa: I001
from trainables.data.formats.base import AUTO, FORMATS, TEMPLATE, Format, Row, also_fitting, recognise

__all__ = ["AUTO", "FORMATS", "TEMPLATE", "Format", "Row", "also_fitting", "builtin", "facts", "recognise"]
