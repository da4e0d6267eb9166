"""The part of a script for TRL that reads the data: files as the search read them, records in their form."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from trainables.data.messages import ROLES
from trainables.data.sources import Kind
from trainables.recipe import DataFile, DataRecipe

_PARSED = '''
def parsed(value):
    """The JSON value in a text, as in cells of tables."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value)
        except ValueError:
            pass
    return value
'''
_MESSAGES = f'''
ROLES = {{
{"".join(f"    {name!r}: {role!r},{chr(10)}" for name, role in ROLES.items())}}}
KEPT = ("name", "tool_call_id", "reasoning_content", "thinking", "weight")


def messages(value, role="user"):
    """Messages with role and content; a text is one of `role`."""
    whole = parsed(value)
    if isinstance(whole, list) and all(isinstance(turn, dict) for turn in whole):
        value = whole
    if isinstance(value, str):
        return [{{"role": role, "content": value}}]
    return [message(turn) for turn in ([value] if isinstance(value, dict) else value)]


def message(turn):
    turn = {{name: value for name, value in turn.items() if value is not None}}
    role = turn.get("role", turn.get("from"))
    if turn.get("tool_calls") or role == "function_call":
        raise ValueError("Tool calls are not converted here: TRL's documentation says how it wants them.")
    content = turn.get("content", turn.get("value", turn.get("text")))
    if isinstance(content, list):
        content = "".join(part["text"] if isinstance(part, dict) else part for part in content)
    kept = {{name: turn[name] for name in KEPT if name in turn}}
    return {{"role": ROLES[role.lower()], "content": content, **kept}}


def bare(turns):
    return [{{name: value for name, value in turn.items() if name != "weight"}} for turn in turns]
'''
_CONVERSATION = '''
def conversation(row, value):
    """The messages of a record, with the system text beside them."""
    turns, system = messages(value), first(row, "system", "system_prompt")
    if system and turns[0]["role"] != "system":
        turns.insert(0, {"role": "system", "content": system})
    return turns
'''
_FIRST = '''
def first(row, *names):
    """The first of the fields that has text."""
    return next((row[name] for name in names if (row.get(name) or "").strip()), "")
'''
_NAMED = '''
def named(row, *names):
    """The value of a field that goes by several names."""
    return next(row[name] for name in names if row.get(name) is not None)
'''
_FILLED = '''
def filled(template, row):
    """A template with its fields; what is no text is written as JSON."""

    def value(match):
        if match[0] in ("{{", "}}"):
            return match[0][0]
        inner = row.get(match[1])
        if inner is None:
            inner = row
            for part in match[1].split("."):
                inner = inner[int(part)] if isinstance(inner, list) else inner[part]
        return inner if isinstance(inner, str) else json.dumps(inner, ensure_ascii=False, default=str)

    return re.sub(r"\\{\\{|\\}\\}|\\{([^{}\\n]*)\\}", value, template)
'''
_ANSWER = '''
def answer(value):
    """An answer, or the first of several."""
    if isinstance(value, dict):  # SQuAD
        value = value["text"]
    return value[0] if isinstance(value, list) else value
'''
_PAIR = """    return {
        "prompt": [{"role": "user", "content": prompt}],
        "completion": [{"role": "assistant", "content": reply}],
    }
"""
_LAST = """    learned = [
        place
        for place, turn in enumerate(turns)
        if place and turn["role"] == "assistant" and turn.get("weight") != 0
    ]
    if not learned:
        return None
    return {"prompt": bare(turns[: learned[-1]]), "completion": bare([turns[learned[-1]]])}
"""


def example(data: DataRecipe) -> str:
    """Functions of the script, of which the last is `to_example`: a record as TRL reads it."""
    helpers, body = _body(data)
    return "\n".join([*helpers, f"\ndef to_example(row):\n{body}"]).strip("\n") + "\n"


def _body(data: DataRecipe) -> tuple[tuple[str, ...], str]:
    helpers: tuple[str, ...]
    match data.form:
        case "text":
            return (), f"    return {{'text': row[{data.text!r}]}}\n"
        case "messages" | "conversations":
            names = ("messages",) if data.form == "messages" else ("conversations", "conversation")
            body = f"    turns = conversation(row, named(row, {', '.join(map(repr, names))}))\n"
            body += _LAST if data.last else '    return {"messages": bare(turns)}\n'
            return (_FIRST, _NAMED, _PARSED, _MESSAGES, _CONVERSATION), body
        case "alpaca":
            prompt = "'\\n\\n'.join(filter(None, (row['instruction'], first(row, 'input', 'context'))))"
            helpers, reply = (_FIRST, _NAMED), "named(row, 'output', 'response')"
        case "question":
            prompt = "'\\n\\n'.join(filter(None, (first(row, 'context'), row['question'])))"
            helpers, reply = (_FIRST, _NAMED, _ANSWER), "answer(named(row, 'answer', 'answers'))"
        case _ if data.template is not None:
            helpers = (_FILLED,)
            prompt, reply = (f"filled({text!r}, row)" for text in data.template)
        case _:
            return (_PARSED, _MESSAGES), (
                f"    prompt, reply = row[{data.prompt!r}], row[{data.completion!r}]\n"
                "    if isinstance(prompt, list) or isinstance(reply, (list, dict)):\n"
                '        return {"prompt": bare(messages(prompt)), '
                '"completion": bare(messages(reply, "assistant"))}\n'
                f"{_PAIR}"
            )
    return helpers, f"    prompt = {prompt}\n    reply = {reply}\n{_PAIR}"


_READ: dict[Kind, str] = {
    "json": """\
            text = file.read()
        try:
            value = json.loads(text)
        except ValueError:  # an object a line
            value = [json.loads(line) for line in text.split("\\n") if line.strip()]
        if isinstance(value, dict):  # which holds the list of records, or is one
            lists = [each for each in value.values() if isinstance(each, list) and each]
            lists = [each for each in lists if all(isinstance(inner, dict) for inner in each)]
            holds = len(lists) == 1 and not {"role", "from"} & lists[0][0].keys()
            value = lists[0] if holds else [value]
        yield from value
""",
    "csv": """\
            header = next(line for line in file if line.strip())
            bare = re.sub(r'"(?:[^"]|"")*"', "", header)
            mark = next((mark for mark in ",;\\t" if mark in bare), ",")
            csv.field_size_limit(2**31 - 1)
            yield from csv.DictReader(itertools.chain([header], file), delimiter=mark)
""",
    "tsv": """\
            header = next(line for line in file if line.strip())
            csv.field_size_limit(2**31 - 1)
            yield from csv.DictReader(itertools.chain([header], file), delimiter="\\t")
""",
    "text": """\
            yield from ({"text": part} for part in file.read().split("\\n\\n") if part)
""",
}
_LINES = """\
            text = file.read()
        if text.lstrip()[:1] == "[":
            yield from json.loads(text)
        else:
            yield from map(json.loads, filter(str.strip, text.split("\\n")))
"""
_PARQUET = """\
        yield from pyarrow.parquet.read_table(name).to_pylist()
"""


def rows(data: DataRecipe) -> str:
    """The function `rows`, which yields the records in their order."""
    if data.hub is not None:
        config = f", {data.hub.config!r}" if data.hub.config else ""
        text = f"    return load_dataset({data.hub.name!r}{config}, split={data.hub.split!r})\n"
    else:
        text = "".join(_loop(*key, files=list(files)) for key, files in groupby(data.files, _way))
    return f"def rows():\n{text}"


def _way(file: DataFile) -> tuple[Kind, bool, bool]:
    """What files that are read alike have in common: kind, compression, and an object a line."""
    kind = file.kind or "json"
    return kind, file.packed, kind == "json" and file.by_line


def _loop(kind: Kind, packed: bool, by_line: bool, files: list[DataFile]) -> str:
    named = "".join(f"        {file.path!r},\n" for file in files)
    head = f"    for name in (\n{named}    ):\n"
    if kind == "parquet":
        return head + _PARQUET
    opened = 'gzip.open(name, "rt", ' if packed else "open(name, "
    newline = ', newline=""' if kind in ("csv", "tsv") else ""
    body = _LINES if by_line else _READ[kind]
    return f'{head}        with {opened}encoding="utf-8-sig"{newline}) as file:\n{body}'


def imports(code: str) -> Iterator[str]:
    """Lines that import what functions of the script use, those of Python itself first."""
    used = [name for name in ("csv", "gzip", "itertools", "json", "re") if f"{name}." in code]
    yield from (f"import {name}" for name in used)
    if used:
        yield ""
    if "pyarrow." in code:
        yield "import pyarrow.parquet"
