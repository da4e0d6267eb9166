"""The page: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from analysis.report.build import Made

_LEVEL = 6


def page(
    title: str, subtitle: str, made: Sequence[Made], facts: Mapping[str, Any], asides: Sequence[str] = ()
) -> str:
    """The report as HTML.

    plotly.js is put in compressed, and the browser unpacks it: as it is, it would be most of the file.

    Args:
        title: Heading.
        subtitle: A line below it.
        made: The cards in order.
        facts: Shown at the end: how the report was made.
        asides: Names of those facts that are left out on paper.
    """
    environment = Environment(
        loader=PackageLoader("analysis.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"image": _image, "breakable": _breakable}
    return environment.get_template("report.html.j2").render(
        title=title,
        subtitle=subtitle,
        shown=[card for card in made if card.state != "absent"],
        absent=[card for card in made if card.state == "absent"],
        facts=facts,
        asides=asides,
        style=_own("report.css"),
        script=_own("report.js"),
        plotly=_packed((files("plotly") / "package_data" / "plotly.min.js").read_bytes()),
        figures=_packed(_figures(made)),
    )


def _own(name: str) -> Markup:
    # Our own files, which hold nothing of the search.
    return Markup((files("analysis.report") / "templates" / name).read_text("utf-8"))


def _figures(made: Sequence[Made]) -> bytes:
    figures = {f"{card.card.name}-{name}": figure for card in made for name, figure in card.figures.items()}
    return json.dumps(figures, allow_nan=False, separators=(",", ":")).encode()


def _packed(content: bytes) -> str:
    """Compressed, in letters that mean nothing in HTML."""
    return base64.b64encode(gzip.compress(content, _LEVEL, mtime=0)).decode()


def _image(content: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def _breakable(cell: str) -> Markup:
    """Lets a cell break at a name's underscores, and not within brackets."""
    text = re.sub(r"(?<=\w)_(?=\w)", "_<wbr>", str(escape(cell)))
    return Markup(re.sub(r"\[[^][]*\]", r'<span class="whole">\g<0></span>', text))
