"""Tables from elsewhere: the same checks, those without data not applicable."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from analysis.investigate import Investigation, investigate_studies
from analysis.investigate.__main__ import main
from analysis.investigate.from_table import Columns, from_table
from analysis.investigate.table_file import read_table
from tests.analysis import published
from tests.analysis.investigate_records import Damage, knowledge_lost, make_scene, no_effect

NAMES = ["--lr", "lr", "--loss", "loss", "--capability", "accuracy"]


def rows_of(damage: Damage, seed: int = 0) -> list[dict[str, object]]:
    scene = make_scene(damage, seed=seed)
    return [
        {"lr": run.lr, "r": run.rank, "loss": round(run.model.loss, 4), "accuracy": round(run.model.right, 4)}
        for run in scene.runs
    ]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    if path.suffix == ".parquet":
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return path
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def said(words: list[object], capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    assert main([*map(str, words), "--json"]) == 0
    data: dict[str, object] = json.loads(capsys.readouterr().out)
    return data


def means(data: dict[str, object]) -> list[float]:
    levels = data["levels"]
    assert isinstance(levels, list)
    return [level["retention"] for level in levels]


def published_studies(tmp_path: Path, **more: object) -> Investigation:
    path = tmp_path / "published.csv"
    path.write_text(published.published_csv())
    base = {model: value / 100 for model, value in published.BASE.items()}
    columns = Columns("lr", "loss", "accuracy", model="model", base=base, **more)  # type: ignore[arg-type]
    return investigate_studies(from_table(read_table(path), columns))


class TestPublishedFigures:
    """Three means per model: what they can show, and what not."""

    def test_three_means_of_one_model_decide_nothing(self, tmp_path: Path) -> None:
        found = published_studies(tmp_path)
        assert found.studies == ("8B", "70B")
        assert found.verdict == "undecided"
        assert [level.grade.name for level in found.levels if level.grade] == [
            "maintained",
            "catastrophic",
            "catastrophic",
        ]
        assert found.checks[0].statistics[1].value == -1.0
        assert found.checks[0].outcome == "fail"  # of six orders two are as clear as this one
        assert any("trials are needed; there are 3" in text for text in found.needed)

    def test_the_number_of_items_does_not_replace_trials(self, tmp_path: Path) -> None:
        assert published_studies(tmp_path, items=400).verdict == "undecided"

    def test_thirty_single_results_around_the_means_are_real(self, tmp_path: Path) -> None:
        rows: list[dict[str, object]] = []
        for rank in range(10):
            for place, lr in enumerate(published.LRS):
                wobble = ((rank * 7 + place * 3) % 5 - 2) / 10
                accuracy = max(0.1, published.ACCURACY["8B"][place] + 2 * wobble)
                rows.append(
                    {
                        "lr": lr,
                        "r": 2**rank,
                        "loss": published.LOSS[place] + wobble / 50,
                        "accuracy": accuracy,
                    }
                )
        path = write(tmp_path / "thirty.csv", rows)
        columns = Columns("lr", "loss", "accuracy", rank="r", base={"": 0.271})
        found = investigate_studies(from_table(read_table(path), columns))
        assert found.verdict == "real"
        assert [check.outcome for check in found.checks] == ["pass", "pass", "pass", *["not applicable"] * 2]
        assert "10 of 10 values of r" in found.checks[2].sentence
        assert found.recommended.params["lr"] == 1e-5


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_true_effect_and_noise(suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / f"results{suffix}", rows_of(knowledge_lost))
    data = said(["--table", path, *NAMES, "--rank", "r", "--base", 0.7, "--items", 120], capsys)
    assert data["verdict"] == "real"
    path = write(tmp_path / f"noise{suffix}", rows_of(no_effect))
    data = said(["--table", path, *NAMES, "--rank", "r", "--base", "70%", "--items", 120], capsys)
    assert data["verdict"] == "undecided"


def test_the_base_model_as_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"lr": 0, "r": "", "loss": "", "accuracy": 0.7}, *rows_of(knowledge_lost)]
    path = write(tmp_path / "results.csv", rows)
    data = said(["--table", path, *NAMES, "--rank", "r", "--base-row", "lr=0"], capsys)
    assert data["verdict"] == "real"
    levels = data["levels"]
    assert isinstance(levels, list)
    assert [level["cases"] for level in levels] == [5, 5, 5]


def test_percentages_are_taken_as_such_and_it_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = rows_of(knowledge_lost)
    shares = said(["--table", write(tmp_path / "a.csv", rows), *NAMES, "--base", 0.7], capsys)
    percent = [row | {"accuracy": 100 * float(str(row["accuracy"]))} for row in rows]
    taken = said(["--table", write(tmp_path / "b.csv", percent), *NAMES, "--base", 70], capsys)
    percents = said(
        ["--table", write(tmp_path / "b.csv", percent), *NAMES, "--base", 70, "--percent"], capsys
    )
    assert means(taken) == pytest.approx(means(percents))
    assert means(taken) == pytest.approx(means(shares))
    assert "read as percentages" in str(taken["notes"])
    assert percents["notes"] == shares["notes"] == []


def test_faults_that_a_table_can_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Fewer steps, fewer items, and a base model whose replies could not be read."""
    truncated = [row | {"steps": 500} for row in rows_of(no_effect)]
    for row in truncated:
        if row["lr"] == 1e-3:
            row |= {"steps": 40, "accuracy": 0.2}
    path = write(tmp_path / "truncated.csv", truncated)
    words = ["--table", path, *NAMES, "--rank", "r", "--base", 0.7, "--items", 120]
    data = said([*words, "--steps", "steps"], capsys)
    assert (data["verdict"], "truncated runs" in str(data["headline"])) == ("artifact", True)

    missing = [row | {"n": 60 if row["lr"] == 1e-3 else 120} for row in truncated]
    for row in missing:
        if row["lr"] == 1e-3:
            row["accuracy"] = 0.4
    path = write(tmp_path / "missing.csv", missing)
    data = said(["--table", path, *NAMES, "--rank", "r", "--base", 0.7, "--items", "n"], capsys)
    assert (data["verdict"], "missing items" in str(data["headline"])) == ("artifact", True)

    base: dict[str, object] = {"lr": 0, "r": "", "loss": "", "accuracy": 0.4, "lost": 0.5}
    unread = [base]
    for row in rows_of(no_effect):
        lost = {1e-5: 0.5, 1e-4: 0.7, 1e-3: 0.95}[float(str(row["lr"]))]
        among_read = 0.8 + 0.01 * (int(str(row["r"])) % 3)
        unread.append(row | {"lost": lost, "accuracy": round((1 - lost) * among_read, 3)})
    path = write(tmp_path / "unread.csv", unread)
    words = ["--table", path, *NAMES, "--rank", "r", "--base-row", "lr=0", "--items", 400]
    data = said([*words, "--unparseable", "lost"], capsys)
    assert (data["verdict"], "parser fails" in str(data["headline"])) == ("artifact", True)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([*NAMES[:-1], "acuracy"], "did you mean accuracy?"),
        ([*NAMES[:-1], "acuracy"], "it has lr, r, loss, accuracy"),
        (NAMES[:4], "--table needs --capability COLUMN"),
        ([*NAMES, "--base", "x"], "'x' is not a number"),
        ([*NAMES, "--base", "8B=0.3"], "there is no model '8B'"),
        ([*NAMES, "--base-row", "lr"], "write COLUMN=VALUE"),
        ([*NAMES, "--base-row", "lr=7"], "no row of"),
        ([*NAMES, "--base", "170"], "is not a share"),
        ([*NAMES[:-1], "word"], "which is not a number"),
    ],
)
def test_errors_name_the_column(
    words: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "results.csv", rows_of(no_effect)[:3])
    if "word" in words:
        path = write(tmp_path / "results.csv", [row | {"word": "high"} for row in rows_of(no_effect)[:3]])
    assert main(["--table", str(path), *words]) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "has no rows"),
        ("lr,loss,accuracy\n", "has no rows"),
        ("lr,loss,accuracy\n1,2\n", "row 2 has 2 cells"),
    ],
)
def test_a_file_that_is_no_table(
    text: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results.csv"
    path.write_text(text)
    assert main(["--table", str(path), *NAMES]) == 2
    assert complaint in capsys.readouterr().err
    for other in (tmp_path / "none.csv", tmp_path):
        assert main(["--table", str(other), *NAMES]) == 2
    broken = tmp_path / "broken.parquet"
    broken.write_text("no parquet")
    assert main(["--table", str(broken), *NAMES]) == 2
