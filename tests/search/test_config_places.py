"""Places that cannot be used: addresses of storage for paths, and files in MLflow's way."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from analysis.report.command import main as report
from search.config.load import load_config
from search.errors import ConfigError, Problem
from search.optuna_export import main as export
from search.tracking.store import database_problem
from tests.search.config_files import write_space


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_space(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def problem(*words: str) -> Problem:
    """The only problem of the space with these words."""
    with pytest.raises(ConfigError) as caught:
        load_config(["space=space.yaml", *words])
    (found,) = caught.value.problems
    return found


@pytest.mark.parametrize(
    ("word", "key", "what", "right"),
    [
        ("out=s3://bucket/runs", "out", "URI of s3", "mount the bucket"),
        ("out=gs:/bucket/runs", "out", "URI of gs", "mount the bucket"),
        ("out=file:///data/my%20runs", "out", "is a URI", "/data/my runs"),
        ("model=s3://bucket/model", "model", "URI of s3", "path"),
        ("model.source=https://host/model", "model.source", "is a URL", "org/name"),
        ("task=hdfs://host/train.jsonl", "task", "URI of hdfs", "path"),
        ("task.train=s3://bucket/train.jsonl", "task.train", "URI of s3", "path"),
        ("task.heldout=s3://bucket/heldout.jsonl", "task.heldout", "URI of s3", "path"),
        ("capability=s3://bucket/questions.jsonl", "capability", "URI of s3", "path"),
        ("capability.skills.1.path=s3://bucket/q.jsonl", "capability.skills.1.path", "URI of s3", "path"),
        ("capability.general_text=az://store/text.txt", "capability.general_text", "URI of az", "path"),
        ("warm_start=s3://bucket/runs/demo", "warm_start.search", "URI of s3", "path"),
    ],
)
def test_an_address_of_storage_is_no_path(word: str, key: str, what: str, right: str, folder: Path) -> None:
    found = problem(word)
    assert found.key == key
    assert what in found.message
    assert right in (found.hint or "")
    assert not list(folder.glob("*:*")), "no folder with an odd name was made"


def test_nor_is_it_for_the_commands_that_write_beside_a_search(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(["runs/demo", "out=s3://bucket/report"]) == 2
    assert "out: is a URI of s3" in capsys.readouterr().err
    assert export(["search=runs/demo", "out=s3://bucket/study.db"]) == 2
    assert "out: is a URI of s3" in capsys.readouterr().err
    assert not list(folder.glob("*:*"))


def database(path: Path, *statements: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path


def test_a_file_that_mlflow_cannot_use_is_refused_unless_it_is_not_to_be_used(folder: Path) -> None:
    out = folder / "runs"
    out.mkdir()
    (out / "mlflow.db").write_text("Notes on MLflow, which are no database at all.\n" * 99)
    found = problem(f"out={out}")
    assert found.key == "out"
    assert "but is not a database" in found.message
    assert "tracking.enabled=false" in (found.hint or "")
    load_config(["space=space.yaml", f"out={out}", "tracking.enabled=false"])
    load_config(["space=space.yaml", f"out={out}", "tracking.uri=http://localhost:5000"])
    found = problem(f"out={out}", f"tracking.uri=sqlite:///{out}/mlflow.db")
    assert found.key == "tracking.uri"


def test_a_folder_in_the_place_of_the_database_or_a_file_in_that_of_artifacts(folder: Path) -> None:
    (folder / "one" / "mlflow.db").mkdir(parents=True)
    assert "but is not a file" in problem("out=one").message
    (folder / "two").mkdir()
    (folder / "two" / "mlartifacts").write_text("")
    assert "is not a folder" in problem("out=two").message


def test_databases_of_others_and_of_other_versions_are_told_apart(folder: Path) -> None:
    assert database_problem(folder / "nothing.db") is None
    assert database_problem(database(folder / "empty.db")) is None
    found = database_problem(database(folder / "other.db", "CREATE TABLE recipes (name TEXT)"))
    assert found is not None
    assert "a database, but not MLflow's" in found[0]
    table = "CREATE TABLE alembic_version (version_num TEXT)"
    newer = database(folder / "new.db", table, "INSERT INTO alembic_version VALUES ('ffffffffffff')")
    found = database_problem(newer)
    assert found is not None
    assert "another version of MLflow, with the layout ffffffffffff" in found[0]
    # Revision of MLflow 1.0, which every later one has on its way.
    older = database(folder / "old.db", table, "INSERT INTO alembic_version VALUES ('451aebb31d03')")
    found = database_problem(older)
    assert found is not None
    assert f"mlflow db upgrade sqlite:///{older}" in found[1]


def test_a_locked_database_is_one_that_mlflow_catches_up_with(folder: Path) -> None:
    path = database(folder / "mlflow.db", "CREATE TABLE alembic_version (version_num TEXT)")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        assert database_problem(path) is None
