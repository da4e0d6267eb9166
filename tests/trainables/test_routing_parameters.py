"""What the parameters of a trial say of its two adapters."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from trainables.routing.parameters import RoutingParameters


def test_the_bad_adapter_is_like_the_good_one_unless_said_otherwise() -> None:
    alike = RoutingParameters(lr=1e-3, rank=8, alpha=4, layers=2, target_modules="mlp", seed=3)
    assert alike.bad.model_dump() == alike.good.model_dump() | {
        "seed": alike.bad.seed,
        "alpha": None,
        "alpha_per_rank": 0.5,
    }
    assert alike.bad.seed != alike.good.seed, "with equal seeds both would begin with the same A"
    other = alike.model_copy(update={"lr_bad": 1e-2, "rank_bad": 2, "alpha_bad": 6.0})
    assert (other.bad.lr, other.bad.rank, other.bad.scale) == (1e-2, 2, 3.0)
    assert (other.good.lr, other.good.rank, other.good.scale) == (1e-3, 8, 0.5)
    assert (other.single.rank, other.single.scale, other.single.seed) == (10, 0.5, 3)


def test_a_rate_that_moves_nothing_is_that_of_both_adapters() -> None:
    still = RoutingParameters(lr_bad=1e-2).at_rate(1e-30)
    assert still.good.lr == still.bad.lr == still.lr == 1e-30


@pytest.mark.parametrize("kind", ["", "_bad"])
def test_two_forms_of_alpha_are_refused(kind: str) -> None:
    with pytest.raises(ValidationError, match="give one of them"):
        RoutingParameters.model_validate({f"alpha{kind}": 4, f"alpha_per_rank{kind}": 2})
