"""Weights are downloaded once on a machine, and whoever waits is shown how far they are."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub import COMMIT, Hub, asked_here, serve_hub
from tests.trainables.model_folders import embedded_weights
from trainables import embedded
from trainables.errors import UserError
from trainables.models import download
from trainables.models.load import fetch, load_base
from trainables.models.resolve import resolve
from trainables.progress import listening
from trainables.settings import ModelConfig

CONFIG = ModelConfig(name="name", source="org/name")
SAID = re.compile(r"downloading org/name: (\d+\.\d) of (\d+\.\d) MB")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(download, "SAY_SECONDS", 0.02)
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 65_536)
    with serve_hub() as served, asked_here(served, str(tmp_path / "cache"), monkeypatch):
        served.models["org/name"] = {
            path.name: path.read_bytes() for path in embedded.model_dir().iterdir() if path.is_file()
        }
        served.seconds = 0.02
        yield served


def downloaded(said: list[str]) -> None:
    with listening(said.append):
        download.download_weights(fetch(resolve(CONFIG), CONFIG))


def test_of_several_that_need_a_model_one_downloads_it_and_all_say_how_far_it_is(hub: Hub) -> None:
    said: list[list[str]] = [[], []]
    threads = [threading.Thread(target=downloaded, args=(each,)) for each in said]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert hub.served.count("model.safetensors") == 1
    whole = len(hub.models["org/name"]["model.safetensors"]) / 1e6
    for each in said:
        *amounts, last = each
        assert last == ""  # back at loading
        shown = [match for text in amounts if (match := SAID.fullmatch(text))]
        assert {float(match[2]) for match in shown} == {round(whole, 1)}
        come = [float(match[1]) for match in shown]
        assert come == sorted(come)
        assert 0 < max(come) <= round(whole, 1)
    again: list[str] = []
    hub.served.clear()
    with listening(again.append):
        model, _ = load_base(resolve(CONFIG), CONFIG, "cpu")
    name = "model.embed_tokens.weight"
    assert model.state_dict()[name].equal(embedded_weights()[name].to(model.dtype))
    assert (again, hub.served) == ([], [])


def test_a_download_that_fails_is_an_error_of_the_model_and_leaves_nothing_behind(hub: Hub) -> None:
    del hub.models["org/name"]["model.safetensors"]
    with pytest.raises(
        UserError, match=r"The model 'name' \(org/name\) cannot be loaded: .*model\.safetensors"
    ):
        load_base(resolve(CONFIG), CONFIG, "cpu")
    assert not list(download.hub_cache().glob("**/*.progress"))
    assert (download.hub_cache() / "models--org--name" / "snapshots" / COMMIT).is_dir()
