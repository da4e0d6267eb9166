"""What is shown: text that others wrote cannot steer the terminal, and JSON keeps its value."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text

from analysis.investigate.__main__ import main as investigate
from analysis.report.command import main as report
from search.clustercheck.__main__ import main as clustercheck
from search.config.load import load_config
from search.console import SafeConsole
from search.errors import ConfigError
from search.optuna_export import main as optuna_export
from search.output import write_line
from search.plan import make_plan
from search.plan.view import print_plan
from search.run import main as run
from search.simulate.__main__ import main as simulate
from search.tracking.__main__ import main as tracking
from tests.search.config_files import SPACE, write_space
from tightrope.show import main as show
from trainables.text import printable, printable_json

ESCAPE = "\x1b[31m\x07\x9b2J\u202e"
HOSTILE = f"{ESCAPE}red]"


def steers(text: str) -> bool:
    """Whether a terminal would obey something in it."""
    return any(not (char.isprintable() or char == "\n" or char == "\t") for char in text)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_space(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@given(st.text())
@example(HOSTILE)
@example("\ud800\r\u2028\u2066")
def test_what_a_terminal_would_obey_is_spelled_out(text: str) -> None:
    out = io.StringIO()
    write_line(out, text)
    assert not any(char in out.getvalue() for char in "\x1b\x07\r\x9b\u202e\u2066\u2028")
    out.getvalue().encode()
    assert printable(printable(text)) == printable(text)


@given(st.dictionaries(st.text(), st.lists(st.text() | st.none())))
@example({HOSTILE: "\ud800"})
def test_json_keeps_its_value(value: object) -> None:
    text = printable_json(json.dumps(value, ensure_ascii=False))
    assert json.loads(text) == value
    text.encode()
    assert not any(char in text for char in "\x1b\x07\x9b\u202e")


@pytest.mark.parametrize(
    "main", [run, simulate, optuna_export, clustercheck, tracking, report, show, investigate]
)
@pytest.mark.parametrize("word", [HOSTILE, f"--{HOSTILE}", f"space={HOSTILE}", f"search={HOSTILE}"])
def test_no_command_repeats_a_control_character(
    main: Callable[[list[str]], int], word: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with suppress(SystemExit):
        assert main([word])
    captured = capsys.readouterr()
    assert not steers(captured.out + captured.err)
    assert word != HOSTILE or "x1b[31m" in captured.out + captured.err


@pytest.mark.parametrize(
    ("main", "word", "said"),
    [
        (investigate, "--tabel", "unrecognized arguments: --tabel\n  hint: did you mean --table?\n"),
        (tracking, "--x", "required: SEARCH\n  hint: python -m search.tracking --help shows the options\n"),
    ],
)
def test_a_wrong_option_is_one_error_with_a_hint(
    main: Callable[[list[str]], int], word: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([word])
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert error.startswith("error: ")
    assert error.endswith(said)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("space.yaml", '"\\e[31m\\u202ered]": 1\n' + SPACE, []),
        ("train.jsonl", json.dumps({HOSTILE: "text"}) + "\n", []),
        ("train.jsonl", json.dumps({"text": "a", HOSTILE: 1}) + "\n", ["task.format=completion"]),
        (f"{HOSTILE}.yaml", "not: this\n", [f"space=./{HOSTILE}.yaml"]),
        (f"{HOSTILE}.jsonl", "no questions\n", [f"capability.skills.0.path={HOSTILE}.jsonl"]),
        ("space.yaml", SPACE + "objectives: [{metric: '[red]\\e[31m', direction: min}]\n", []),
    ],
)
@pytest.mark.parametrize("flags", [["--plan"], ["--plan", "--json"]])
def test_names_and_fields_of_files_are_spelled_out(
    name: str, text: str, words: list[str], flags: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / name).write_text(text)
    space = [] if any(word.startswith("space=") for word in words) else ["space=space.yaml"]
    assert run([*space, *words, *flags]) == 2
    captured = capsys.readouterr()
    assert not steers(captured.out + captured.err)


def test_tables_keep_their_colours_and_nothing_of_the_text(folder: Path) -> None:
    out = io.StringIO()
    console = SafeConsole(file=out, force_terminal=True, width=100, color_system="standard")
    table = Table(title=Text(HOSTILE))
    table.add_column(Text(HOSTILE), style="bold red")
    table.add_row(Text(f"[bold]{HOSTILE}"))
    console.print(table)
    console.print(Text(HOSTILE), soft_wrap=True)
    shown = out.getvalue()
    assert "\x1b[1;31m" in shown, "its own colours stay"
    assert "\x1b[31mred" not in shown
    assert not any(char in shown for char in "\x07\x9b\u202e")
    assert "[bold]" in shown, "brackets of the user's are no markup"


def test_a_plan_shows_hostile_names_as_they_are(folder: Path) -> None:
    config = load_config(["space=space.yaml"]).config
    hostile = config.model_copy(update={"name": HOSTILE, "space": f"[bold]{HOSTILE}"})
    out = io.StringIO()
    print_plan(make_plan(hostile), SafeConsole(file=out, width=200))
    assert not steers(out.getvalue())


@pytest.mark.parametrize(
    "word",
    [
        b"name=a\xffb",
        b"space=\xff.yaml",
        b"\xff=1",
        b"--\xff",
        b'parameters.rank.choices=[2, "\\ud800"]',
        b'objectives.0.metric="\\udfff"',
        b'fixed.schedule="\\ud800"',
        b'{"\\ud800": 1}',
        b'parameters.lr.when="\\ud800 > 1"',
    ],
)
def test_text_that_is_no_utf_8_is_refused_before_anything_starts(
    word: bytes, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["space=space.yaml", os.fsdecode(word), "--plan", "--json"]) == 2
    captured = capsys.readouterr()
    (captured.out + captured.err).encode()
    assert "UTF-8" in captured.err or word.startswith(b"--") or b"{" in word or b"space" in word


def test_half_a_character_in_a_file_is_refused_with_its_line(folder: Path) -> None:
    for line in ('name: "\\ud800"', '"\\udc00": 1', 'fixed: {schedule: "\\ud800"}'):
        (folder / "half.yaml").write_text(f"# a space\n{line}\n")
        with pytest.raises(ConfigError) as caught:
            load_config(["space=half.yaml"])
        problem = caught.value.problems[0]
        assert problem.where == "half.yaml:2"
        assert "UTF-8" in problem.message


NINES = "9" * 100_000


@pytest.mark.parametrize(
    "word",
    [
        f"trials={NINES}",
        f"trials=-{NINES}",
        f"fixed.dropout=0x{'f' * 100_000}",
        f"fixed.dropout=1e{NINES}",
        f"fixed.dropout=0.{NINES}",
        f"capability.skills.{NINES}.path=x",
        f"capability.skills[{NINES}].path=x",
        f"parameters.rank.choices=[2, {NINES}]",
        f"parameters.alpha_per_rank={{type: expression, value: '{NINES[:490]} * rank'}}",
        f"points=[{{lr: {NINES}}}]",
    ],
)
def test_endless_numbers_are_one_problem(word: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["space=space.yaml", word, "--plan"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("1 problem")
    assert len(said) < 2000


@pytest.mark.parametrize("content", [b"a: 1\n" * 20_000_000, b"[" * 200_000])
def test_an_endless_file_is_refused_at_once(
    content: bytes, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By its size: a parser would take minutes for the first."""
    (folder / "large.yaml").write_bytes(content)
    assert run(["space=large.yaml", "--plan"]) == 2
    said = capsys.readouterr().err
    assert len(said) < 2000
    assert "128 KiB" in said
    assert clustercheck(["large.yaml"]) == 2
    assert "128 KiB" in capsys.readouterr().err


def test_text_for_a_closed_pipe_is_lost_and_nothing_else() -> None:
    read, write = os.pipe()
    os.close(read)
    write_line(os.fdopen(write, "w", closefd=False), "text")
    os.close(write)


def test_all_that_is_shown_goes_through_one_place() -> None:
    """No command prints past `search.output` and `search.console`, where what would steer is taken out."""
    root = Path(__file__).parents[2]
    ways = re.compile(r"(?<![\w.])(print|Console|ArgumentParser)\(|\bsys\.std(out|err)\.write\(")
    allowed = {"search/output.py", "search/console.py"}
    found = [
        f"{path.relative_to(root)}:{number}"
        for package in ("search", "analysis")
        for path in sorted((root / package).rglob("*.py"))
        if str(path.relative_to(root)) not in allowed
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if ways.search(line)
    ]
    assert not found
