"""Properties of the configuration over many inputs."""

from __future__ import annotations

import contextlib
import math
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from search.config.known import all_keys, keys_at
from search.config.load import load_config
from search.config.origins import Key, dotted
from search.config.overrides import parse_words
from search.config.schema import config_model
from search.config.show import config_yaml
from search.errors import ConfigError
from tests.search.config_files import write_space
from trainables.nearest import distance, nearest
from trainables.specs import TRAINABLES

LETTERS = string.ascii_lowercase + "_"
PARAMETERS = list(TRAINABLES["lora"].parameters.model_fields)
KEYS = all_keys(config_model("lora"))


@pytest.fixture(autouse=True, scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("space")
    write_space(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


@st.composite
def slips(draw: st.DrawFn, word: str) -> str:
    """The word with one slip of the pen: a letter lost, doubled in, replaced, or two swapped."""
    at = draw(st.integers(0, len(word) - 1))
    letter = draw(st.sampled_from(LETTERS))
    swapped = word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]
    lost = word[:at] + word[at + 1 :]
    options = [lost, word[:at] + letter + word[at:], word[:at] + letter + word[at + 1 :], swapped]
    wrong = draw(st.sampled_from(options))
    assume(wrong and wrong != word and wrong.strip("_"))
    return wrong


@st.composite
def misspelt_keys(draw: st.DrawFn) -> tuple[Key, Key]:
    """A key of the schema and the same with a slip in its last part that makes it unknown."""
    key = draw(st.sampled_from(KEYS))
    wrong = draw(slips(str(key[-1])))
    assume(wrong not in keys_at(key[:-1], config_model("lora")) and wrong not in PARAMETERS)
    return key, (*key[:-1], wrong)


@settings(deadline=None, max_examples=40)
@given(misspelt_keys())
def test_a_misspelt_key_is_refused_with_the_right_one(keys: tuple[Key, Key]) -> None:
    right, wrong = keys
    with pytest.raises(ConfigError) as caught:
        load_config(["space=space.yaml", f"{dotted(wrong)}=1"])
    problem, *others = caught.value.problems
    assert problem.key == dotted(wrong)
    # A section that is there only for the misspelt key may lack one that it must have.
    assert {other.message for other in others} <= {"is missing"}
    assert dotted(right) in (problem.hint or "").rstrip("?").split()


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(PARAMETERS).flatmap(lambda name: st.tuples(st.just(name), slips(name))))
def test_a_misspelt_parameter_is_refused_with_the_right_one(names: tuple[str, str]) -> None:
    right, wrong = names
    assume(wrong not in PARAMETERS)
    with pytest.raises(ConfigError) as caught:
        load_config(["space=space.yaml", f"fixed.{wrong}=1"])
    (problem,) = caught.value.problems
    assert right in (problem.hint or "").rstrip("?").split()


words = st.text(LETTERS, max_size=8)


@given(words, words, words)
def test_distance_is_a_metric_up_to_swaps(a: str, b: str, c: str) -> None:
    assert distance(a, b) == distance(b, a)
    assert (distance(a, b) == 0) == (a == b)
    assert abs(len(a) - len(b)) <= distance(a, b) <= max(len(a), len(b))


@given(st.sampled_from(PARAMETERS).flatmap(lambda name: st.tuples(st.just(name), slips(name))))
def test_one_slip_is_always_near(names: tuple[str, str]) -> None:
    right, wrong = names
    assume(wrong not in PARAMETERS)
    assert right in nearest(wrong, PARAMETERS)


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=30))
def test_no_text_is_too_odd_for_a_word(text: str) -> None:
    overrides, problems = parse_words([text, f"x={text}"])
    assert len(overrides) + len(problems) == 2


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.sampled_from(["space", *map(dotted, KEYS), "fixed.lr", "points.0", "a.b"]), max_size=4),
    st.data(),
)
def test_nothing_but_a_configuration_error_comes_of_wrong_values(
    keys: list[str], data: st.DataObject
) -> None:
    values = [
        "",
        "[",
        "{a: 1}",
        "[1, 2]",
        "null",
        "-1",
        ".inf",
        "x",
        "[{lr: 1}]",
        "{preset: x}",
        "${x}",
        "???",
    ]
    lines = [f"{key}={data.draw(st.sampled_from(values))}" for key in keys]
    with contextlib.suppress(ConfigError):
        load_config(["space=space.yaml", *lines])


PRINTABLE = st.characters(codec="utf-8", categories=["L", "N", "P", "S"])


@settings(deadline=None, max_examples=20)
@given(
    trials=st.integers(1, 10**6),
    bounds=st.tuples(st.floats(1e-8, 1.0), st.floats(1e-8, 1.0)).map(sorted),
    ranks=st.lists(st.integers(1, 64), min_size=1, max_size=5, unique=True),
    name=st.from_regex(re.compile(r"[A-Za-z0-9][\w.-]{0,12}", re.ASCII), fullmatch=True),
    text=st.text(
        st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=12
    ).filter(lambda text: "${" not in text),
)
def test_the_resolved_configuration_is_a_space_that_asks_for_the_same(
    trials: int, bounds: list[float], ranks: list[int], name: str, text: str
) -> None:
    words = [
        f"trials={trials}",
        f"parameters.lr={{type: log-float, low: {bounds[0]!r}, high: {bounds[1]!r}}}",
        f"parameters.rank.choices={ranks}",
        f"name='{name}'",
        f"points=[{{lr: {bounds[0]!r}, rank: {ranks[0]}}}]",
    ]
    resolved = load_config(["space=space.yaml", *words])
    changed = resolved.config.model_copy(
        update={"tracking": resolved.config.tracking.model_copy(update={"experiment": text})}
    )
    resolved = type(resolved)(changed, resolved.origins)
    assume(text != "???")
    Path("saved.yaml").write_text(config_yaml(resolved), encoding="utf-8")
    again = load_config(["space=saved.yaml"]).config
    assert again == resolved.config.model_copy(update={"space": "saved.yaml"})
    assert again.trials == trials
    assert math.isclose(again.parameters["lr"].low, bounds[0], rel_tol=0)  # type: ignore[union-attr]


def test_the_nearest_name_is_none_where_all_are_far() -> None:
    assert nearest("zzzz", PARAMETERS) == []
    assert nearest("clap", ["capability", "clip"]) == ["clip"]
    assert nearest("capab", ["capability", "clip"]) == ["capability"]
