"""Speed of evaluation, and its share of a search."""
