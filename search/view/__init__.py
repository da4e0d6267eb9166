"""What the user sees during a search: a live view on a terminal, plain lines elsewhere."""

from search.view.views import View, make_view

__all__ = ["View", "make_view"]
