"""What may change between two sessions of a search, and what may not."""

from __future__ import annotations

import pytest

from search.errors import SpaceChangedError
from search.resume import refuse_changes
from tests.search.test_conductor import configure


def test_what_trials_do_not_depend_on_may_change() -> None:
    config = configure()
    recorded = config.model_dump(mode="json")
    refuse_changes(recorded, config.model_copy(update={"trials": 99, "out": "elsewhere"}))


def test_another_order_of_parameters_is_another_space() -> None:
    config = configure()
    recorded = config.model_dump(mode="json")
    turned = dict(reversed(config.parameters.items()))
    with pytest.raises(SpaceChangedError, match="order of parameters"):
        refuse_changes(recorded, config.model_copy(update={"parameters": turned}))
