"""Tables as spreadsheets save them: units, separators, encodings, and what is refused."""

from __future__ import annotations

import datetime
import json
import math
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.investigate.__main__ import main
from analysis.investigate.table_file import Sign, read_number, read_table

NAMES = ["--lr", "lr", "--loss", "loss", "--capability", "acc"]
HEADER = "lr,loss,acc"
ROWS = "1e-5,2.1,0.9\n1e-4,1.9,0.8\n1e-3,1.5,0.5\n"


def levels(path: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> list[dict[str, float]]:
    assert main(["--table", str(path), *words, "--json"]) == 0
    found: list[dict[str, float]] = json.loads(capsys.readouterr().out)["levels"]
    return found


def refused(path: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["--table", str(path), *words]) == 2
    return capsys.readouterr().err


def saved(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


class TestUnits:
    def test_a_percent_sign_always_divides(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = saved(tmp_path / "t.csv", f"{HEADER}\n1e-5,2.1,0.9%\n1e-4,1.9,0.8%\n1e-3,1.5,0.5 %\n")
        found = levels(path, [*NAMES, "--base", "0.9%"], capsys)
        assert [level["capability"] for level in found] == pytest.approx([0.009, 0.008, 0.005])
        assert found[0]["retention"] == pytest.approx(1.0)
        again = levels(path, [*NAMES, "--base", "0.9%", "--percent"], capsys)
        assert again == found, "no number is divided twice"

    def test_mixed_forms_are_refused(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = saved(tmp_path / "t.csv", f"{HEADER}\n1e-5,2.1,90%\n1e-4,1.9,0.85\n")
        assert "mixes numbers with and without a percent sign" in refused(path, NAMES, capsys)

    def test_small_percentages_beside_large_ones_are_asked_for(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Half a percent of unreadable replies, read as one half, would blame the parser for a true fall."""
        lines = [
            f"{lr},{rank},{loss},{acc},{lost}"
            for rank in (4, 8, 16)
            for lr, loss, acc, lost in (
                (1e-5, 2.1, 90, 0.5),
                (1e-4, 1.9, 80 + rank / 16, 0.8),
                (1e-3, 1.5, 50, 1),
            )
        ]
        path = saved(tmp_path / "t.csv", "\n".join(["lr,rank,loss,acc,lost", "0,,,90,0.6", *lines]))
        words = [*NAMES, "--rank", "rank", "--unparseable", "lost", "--base-row", "lr=0", "--items", "400"]
        assert "it may hold percentages or shares" in refused(path, words, capsys)
        assert main(["--table", str(path), *words, "--percent", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["verdict"] == "real"

    def test_chance_may_be_a_percentage(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = saved(tmp_path / "t.csv", f"{HEADER}\n{ROWS}")
        assert main(["--table", str(path), *NAMES, "--chance", "25%"]) == 0
        assert "--chance 3000 is not a share" in refused(path, [*NAMES, "--chance", "3000"], capsys)


@pytest.mark.parametrize(
    ("text", "sign", "value"),
    [
        ("2.100", ".", 2.1),
        ("1,000", ",", 1.0),
        ("27,1 %", ",", 0.271),
        ("0.125%", ".", 0.00125),
        ("1,5e-4", ",", 1.5e-4),
        ("N/A", ".", math.nan),
        (" - ", ",", math.nan),
    ],
)
def test_numbers(text: str, sign: Sign, value: float) -> None:
    assert read_number(text, sign) == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize("text", ["1,00,5", "1.2.3", "1,00.5", "1,000", "1_000", "a", "1 2", "%"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match=r"could not convert|is not a number"):
        read_number(text, ".")


@given(st.floats(-1e9, 1e9), st.sampled_from(["{:.2f}", "{:e}", "{!r}"]))
def test_numbers_are_read_back(value: float, form: str) -> None:
    text = form.format(value)
    assert read_number(text, ".") == float(text) == read_number(text.replace(".", ","), ",")


def test_the_decimal_sign_is_never_guessed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers with both signs, and commas that may part thousands, are read once the sign is given."""
    both = saved(tmp_path / "both.csv", "lr;loss;acc;n\n1e-5;2,1;0,9;1.000\n1e-4;1,9;0,8;1.000\n")
    assert "--decimal" in refused(both, NAMES, capsys)
    assert [level["loss"] for level in levels(both, [*NAMES, "--decimal", ","], capsys)] == [2.1, 1.9]
    words = [*NAMES, "--steps", "n", "--decimal", ","]
    assert "thousands separators" in refused(both, words, capsys)
    grouped = saved(tmp_path / "grouped.csv", 'lr,loss,acc\n1e-5,2.1,0.9\n1e-4,"1,900",0.8\n')
    assert "points and commas" in refused(grouped, NAMES, capsys)
    unclear = saved(tmp_path / "unclear.csv", "lr;loss;acc\n1;2,100;90%\n2;1,900;80%\n")
    assert "commas only before three digits" in refused(unclear, NAMES, capsys)
    assert [level["loss"] for level in levels(unclear, [*NAMES, "--decimal", ","], capsys)] == [2.1, 1.9]
    assert "--decimal ," in refused(unclear, [*NAMES, "--decimal", "."], capsys)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("lr;loss;acc\n1e-5;2,1;0,9\n1e-4;1,9;0,8\n\n1e-3;1,5;0,5\n", "utf-8"),
        (f"{HEADER}\n{ROWS}".replace(",", "\t"), "utf-16"),
        (f"{HEADER}\n{ROWS}".replace("\n", "\r\n"), "utf-8-sig"),
    ],
)
def test_what_spreadsheets_save(
    text: str, encoding: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = levels(saved(tmp_path / "t.csv", text, encoding), [*NAMES, "--base", "0,9"], capsys)
    assert [level["loss"] for level in found] == [2.1, 1.9, 1.5]
    assert [level["capability"] for level in found] == [0.9, 0.8, 0.5]


def test_another_encoding_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path / "t.csv", f"{HEADER},mod\xe8le\n1e-5,2.1,0.9,a\n", "latin-1")
    assert "not UTF-8 text" in refused(path, NAMES, capsys)


def test_rows_are_numbered_as_in_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path / "t.csv", f"{HEADER}\n1e-5,2.1,0.9\n\n1e-4,high,0.8\n")
    assert "'high' in row 4, which is not a number" in refused(path, NAMES, capsys)
    assert read_table(path).lines == [2, 4]


def test_a_column_that_comes_twice_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "lr,loss,acc,acc,n,n\n1e-5,2.1,0.9,0.1,3,3\n1e-4,1.9,0.8,0.2,3,3\n"
    path = saved(tmp_path / "t.csv", text)
    assert "has 2 columns 'acc'" in refused(path, NAMES, capsys)
    other = saved(tmp_path / "u.csv", text.replace("acc,acc", "acc,old"))
    assert [level["capability"] for level in levels(other, NAMES, capsys)] == [0.9, 0.8]


def test_rows_of_the_base_model_must_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*NAMES, "--base-row", "lr=0"]
    path = saved(tmp_path / "t.csv", f"{HEADER}\n0,,0.9\n0,,0.3\n{ROWS}")
    assert "row 2 and row 3 are rows of the base model and differ" in refused(path, words, capsys)
    path = saved(tmp_path / "u.csv", f"{HEADER}\n0,,0.9\n0,,0.90\n{ROWS}")
    assert levels(path, words, capsys)[0]["retention"] == 1.0


@pytest.mark.parametrize("option", ["--steps", "--items"])
@pytest.mark.parametrize("cell", ["inf", "1e400", "2.5"])
def test_counts_are_whole(option: str, cell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path / "t.csv", f"{HEADER},n\n1e-5,2.1,0.9,7\n1e-4,1.9,0.8,{cell}\n")
    assert "in row 3 is not a whole number" in refused(path, [*NAMES, option, "n"], capsys)


@pytest.mark.parametrize("name", ["acc", "rank", "lr"])
@pytest.mark.parametrize("cell", [datetime.date(2024, 1, 1), [0.5]])
def test_cells_of_another_type_are_refused(
    name: str, cell: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row: dict[str, object] = {"lr": 1e-5, "loss": 2.1, "acc": 0.9, "rank": 8}
    path = tmp_path / "t.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row | {name: cell}]), path)
    assert "number" in refused(path, [*NAMES, "--rank", "rank"], capsys)


def test_a_parquet_column_that_comes_twice_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = [pyarrow.array([1e-5, 1e-4])] * 4
    table = pyarrow.Table.from_arrays(columns, names=["lr", "loss", "acc", "acc"])
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", NAMES, capsys)
