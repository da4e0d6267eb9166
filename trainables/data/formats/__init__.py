"""The forms in which data are recognised, each by its fields, in the order in which they are tried."""

# In the order in which they are tried.
from trainables.data.formats import facts, builtin  # noqa: I001
from trainables.data.formats.base import (
    AUTO,
    FORMATS,
    JUDGEMENTS,
    KTO_TAG,
    LABEL,
    TEMPLATE,
    Format,
    Row,
    also_fitting,
    recognise,
    rejects,
    unused_fields,
)

__all__ = [
    "AUTO",
    "FORMATS",
    "JUDGEMENTS",
    "KTO_TAG",
    "LABEL",
    "TEMPLATE",
    "Format",
    "Row",
    "also_fitting",
    "builtin",
    "facts",
    "recognise",
    "rejects",
    "unused_fields",
]
