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


def test_a_key_that_is_newer_than_the_record_has_its_default() -> None:
    config = configure()
    recorded = config.model_dump(mode="json")
    del recorded["capability"]["kl_prompts"]
    for skill in recorded["capability"]["skills"]:
        del skill["at"]
    refuse_changes(recorded, config)
    fewer = config.capability.model_copy(update={"kl_prompts": 3})
    with pytest.raises(SpaceChangedError, match=r"capability\.kl_prompts: recorded 16, now 3"):
        refuse_changes(recorded, config.model_copy(update={"capability": fewer}))


def test_a_record_that_is_no_configuration_any_more_is_compared_as_it_is() -> None:
    config = configure()
    recorded = config.model_dump(mode="json") | {"gone": 1}
    del recorded["capability"]["kl_prompts"]
    with pytest.raises(SpaceChangedError, match=r"kl_prompts: recorded absent, now 16\n  gone: recorded 1"):
        refuse_changes(recorded, config)


def test_another_order_of_parameters_is_another_space() -> None:
    config = configure()
    recorded = config.model_dump(mode="json")
    turned = dict(reversed(config.parameters.items()))
    with pytest.raises(SpaceChangedError, match="order of parameters"):
        refuse_changes(recorded, config.model_copy(update={"parameters": turned}))
