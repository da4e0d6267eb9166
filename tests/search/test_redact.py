"""Credentials are left out of what is shown and written, however they are spelled, in linear time."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from search.console import SafeConsole
from search.output import say_json, write_line
from search.record import Failed, RecordWriter, SearchState, read_events
from search.record.files import EVENTS
from search.redact import HIDDEN, redact, redacted
from search.resume import refuse_changes
from tests.records import make_config, make_events, opening_events

SECRET = "Zq8Canary4Wx7Rt2Lm9Kd5Vb3Nh6Pj1Sg0F"
FORMS = {
    "user": "ray://u:{}@host:10001",
    "bare user": "http://{}@host",
    "odd password": "http://u:a/{}@host/x",
    "query": "http://host/x?page=2&access_token={}&more=1",
    "code": "http://host/callback?code={}",
    "auth": "http://host/x?auth={}",
    "pwd": "http://host/x?pwd={}",
    "signature": "https://bucket.s3.amazonaws.com/x?X-Amz-Signature={}",
    "fragment": "http://host/x#access_token={}",
    "second of a fragment": "http://host/x#state=1&id_token={}",
    "connection string": "Server=db;Password={};Port=1",
    "environment": "AWS_SECRET_ACCESS_KEY={} python x.py",
    "session": "export AWS_SESSION_TOKEN='{}'",
    "keyword": "connect(host, password='{}')",
    "dictionary": "{{'token': '{}'}}",
    "JSON": '{{"api_key": "{}"}}',
    "JSON in JSON": '{{\\"hf_token\\": \\"{}\\"}}',
    "token": "token={}",
    "bearer": "Authorization: Bearer {}",
    "basic": "authorization: Basic {}",
    "Hugging Face": "401 for hf_{}",
    "GitHub": "ghp_{}",
    "GitLab": "glpat-{}",
    "OpenAI": "sk-proj-{}",
    "Slack": "xoxb-{}",
    "web token": "eyJhbGciOiJIUzI1NiJ9.eyJ{}.abc",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("around", ["{}", "failed ({}); again", '"{}"', "{} {}"])
def test_a_credential_is_left_out_in_every_form(form: str, around: str) -> None:
    text = around.replace("{}", form.format(SECRET))
    assert SECRET not in redact(text)
    assert HIDDEN in redact(text)
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "rank 3 of 9 at rung 2/3 (step 30), top 3 continue; train_loss 2.1; retention=0.97",
        "capability.max_new_tokens=64 task.format=auto model=HuggingFaceTB/SmolLM2-135M",
        "http://127.0.0.1:5000/api and a@b", "http://host:5000/~a@b", "s3://bucket/runs/demo",
        "trials/0004/rung-2/adapter_model.safetensors", "a hash: 0123456789abcdef0123456789abcdef",
        "tokens: 1024, keys=4, hf_transfer, task-4, disk-image-of-long-name, the bearer of bad news",
        "python -m search.run space=demo trials=24 fixed.code=3",
        "Password: what is the capital of France?",
        "http://127.0.0.1:5000/#/experiments/1/runs?workflowType=machine_learning&viewStateShareKey=0a1b2c",
    ],
)  # fmt: skip
def test_what_is_no_credential_stays(text: str) -> None:
    assert redact(text) == text


@given(st.lists(st.sampled_from([*"aZ0@:/?#&=;.-_' \"\\", "token", "hf_", "http://", "key=", HIDDEN])))
@example(["http://a:b@c://d@e"])
def test_redaction_settles_and_keeps_lines(parts: list[str]) -> None:
    text = "".join(parts)
    once = redact(text)
    assert redact(once) == once
    assert once.count("\n") == text.count("\n")


@given(
    st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=20, max_size=40),
    st.sampled_from(sorted(FORMS)),
    st.text(st.characters(exclude_characters="@"), max_size=20),
)
def test_no_text_before_a_credential_hides_it(secret: str, form: str, before: str) -> None:
    secret = f"{secret}A1"
    assert secret not in redact(f"{before} {FORMS[form].format(secret)}")


HOSTILE = [
    "ab:/", "ab://", "ab://u:", "http://u:p@", "a:", "://", "?a", "?token", "&key", "a" * 5 + "=", "#code",
    "password=", "password'", "token", "authorization: ", "bearer ", "hf_", "hf_a", "sk-", "sk-a", "ghp_a",
    "eyJ", "eyJaaaaaaaa.", "xoxb-", "-----BEGIN PRIVATE KEY-----", "-----BEGIN ", "AKIA", ";", "@", "pypi-",
    "a.", "_",
]  # fmt: skip
REPEATED = """
import resource
from search.redact import redact
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
for part in {parts!r}:
    redact(part * (400_000 // len(part)) + "@")
"""


def test_hostile_text_is_done_with() -> None:
    # It takes 3 seconds of CPU. A single pattern that is tried anew from every position takes 40.
    subprocess.run([sys.executable, "-c", REPEATED.format(parts=HOSTILE)], check=True)


def test_every_outlet_leaves_credentials_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address = FORMS["user"].format(SECRET)
    text = f"The Ray cluster at {address} could not be joined: 401 for hf_{SECRET}"
    file = io.StringIO()
    write_line(file, text)
    console = SafeConsole(file=file, width=40)
    console.print(text, markup=False)
    console.print(f"[bold]Resume[/] workers.address={address}")
    say_json({text: [{"hint": text}]})
    with RecordWriter(tmp_path) as record:
        for event in (*opening_events(), Failed(trial=None, failure_class="x", message=text)):
            record.append(event)
    written = file.getvalue() + capsys.readouterr().out + (tmp_path / EVENTS).read_text()
    assert "Canary" not in "".join(written.split())
    assert "could not be joined" in written
    failed = read_events(tmp_path)[-1]
    assert isinstance(failed, Failed)
    assert failed.message == redact(text)


def test_a_recorded_search_is_resumed_with_the_credentials_that_its_record_lacks() -> None:
    config = make_config(task={"name": "domain", "train": FORMS["user"].format(SECRET)})
    data = redacted(config.model_dump(mode="json"))
    assert SECRET not in json.dumps(data)
    refuse_changes(data, config)


def test_what_is_not_changed_is_the_same_object() -> None:
    state = SearchState.from_events(make_events(4))
    assert redacted(state) is state
