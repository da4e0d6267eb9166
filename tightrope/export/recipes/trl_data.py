"""The part of a script for TRL that reads the data: files as the search read them, records in their form."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from trainables.data.formats import FORMATS, JUDGEMENTS, KTO_TAG, LABEL
from trainables.data.messages import CONTENTS, FLAGS, ROLES
from trainables.data.questions import ANSWERS, PASSAGES
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
KEPT = ("name", "tool_call_id", "reasoning_content", "thinking")
FLAGS = {{
{"".join(f"    {name!r}: {values!r},{chr(10)}" for name, values in FLAGS.items())}}}


def is_message(value):
    """Whether a value is an object with a known role and a content, or a call."""
    if not isinstance(value, dict):
        return False
    role = str(value.get("role") or value.get("from")).lower()
    contents = {CONTENTS!r}
    known = role in ROLES or role == "function_call"
    return known and any(value.get(name) is not None for name in contents)


def are_messages(value):
    """Whether a value is a list of messages, rather than data of another kind."""
    return isinstance(value, list) and bool(value) and all(map(is_message, value))


def messages(value, role="user"):
    """Messages with role and content; a text is one of `role`, unless it is such a list as JSON."""
    if isinstance(value, str):
        whole = parsed(value)
        if not are_messages(whole):
            return [{{"role": role, "content": value}}]
        value = whole
    return [message(turn) for turn in ([value] if isinstance(value, dict) else value)]


def message(turn):
    turn = {{name: value for name, value in turn.items() if value is not None}}
    role = turn.get("role", turn.get("from"))
    if turn.get("tool_calls") or turn.get("function_call") or role == "function_call":
        raise ValueError("Tool calls are not converted here: TRL's documentation says how it wants them.")
    content = turn.get("content", turn.get("value", turn.get("text")))
    if isinstance(content, list):
        content = "".join(part["text"] if isinstance(part, dict) else part for part in content)
    kept = {{name: turn[name] for name in KEPT if name in turn}}
    said = [values.get(str(turn.get(name)).strip().lower()) for name, values in FLAGS.items()]
    weights = [weight for weight in (turn.get("weight"), *said) if weight is not None]
    if weights:
        kept["weight"] = int(min(weights))
    return {{"role": ROLES[role.lower()], "content": content, **kept}}


def bare(turns):
    return [{{name: value for name, value in turn.items() if name != "weight"}} for turn in turns]
'''
_CONVERSATION = '''
def conversation(row, value):
    """The messages of a record, with the system text beside them."""
    turns, system = messages(parsed(value)), first(row, "system", "system_prompt")
    if system and turns[0]["role"] != "system":
        turns.insert(0, {"role": "system", "content": system})
    return turns
'''
_BEFORE = '''
def continued(row, before, reply):
    """Messages that are context, and those that are learned, with the system text beside them."""
    if reply[: len(before)] == before:  # a reply may be given as the whole conversation
        reply = reply[len(before) :]
    system = first(row, "system", "system_prompt")
    if system and before[0]["role"] != "system":
        before = [{"role": "system", "content": system}, *before]
    return {"prompt": bare(before), "completion": bare(reply)}


def is_turn(value):
    """Whether a value is what the user and the assistant wrote."""
    return isinstance(value, list) and len(value) == 2 and all(isinstance(text, str) for text in value)


def pair(row, prompt, reply):
    """A prompt and its reply, with the history and the system text beside them."""
    before = parsed(row.get("history"))
    if are_messages(before):
        before = messages(before)
    elif isinstance(before, list) and all(map(is_turn, before)):
        roles = ("user", "assistant")
        before = [{"role": role, "content": text} for turn in before for role, text in zip(roles, turn)]
    else:
        before = []
    before.append({"role": "user", "content": prompt})
    return continued(row, before, [{"role": "assistant", "content": reply}])
'''
_PROMPTED = '''
def prompted(row, prompt, reply):
    """A prompt and its reply, as texts or as messages."""
    if any(not isinstance(value, str) or are_messages(parsed(value)) for value in (prompt, reply)):
        return continued(row, messages(prompt), messages(reply, "assistant"))
    return pair(row, prompt, reply)
'''
_PREFERENCE = """    chosen = messages(row["chosen"], "assistant")
    if chosen[0]["role"] != "assistant":  # the whole conversation
        both = zip(chosen, messages(row["rejected"], "assistant"))
        same = sum(1 for _ in itertools.takewhile(lambda turns: turns[0] == turns[1], both))
        same = max(1, min(same, len(chosen) - 1))
        return continued(row, chosen[:same], chosen[same:])
    for name in ("messages", "conversations", "conversation"):
        if row.get(name) is not None:
            return continued(row, conversation(row, row[name]), chosen)
    if row.get({prompt!r}) is not None:
        return prompted(row, row[{prompt!r}], row["chosen"])
    if row.get("instruction") is not None:
        prompt = {instruction}
    else:
        prompt = {question}
    return pair(row, prompt, chosen[0]["content"])
"""
_INSTRUCTION = "'\\n\\n'.join(filter(None, (row['instruction'], first(row, 'input', 'context'))))"
_QUESTION = "asked(row)"
_BAD = """    if any(str(row.get(name)).strip().lower() == "false" for name in JUDGING):
        return None
"""
_JUDGES = f'''
def judges(label):
    """Whether a label can say that a reply is a good one; others are classes, or what is true of a text."""
    return label is None or str(label).strip().lower() in ("true", "false", "")


JUDGING = {JUDGEMENTS!r} if all(judges(row.get({LABEL!r})) for row in rows()) else {(KTO_TAG,)!r}
'''
_FIRST = '''
def first(row, *names):
    """The first of the fields that has text."""
    return next((row[name] for name in names if isinstance(row.get(name), str) and row[name].strip()), "")
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
_ASKED = f'''
def asked(row):
    """A question after what it is about: a text, or several."""
    for name in {PASSAGES!r}:
        value = row.get(name)
        texts = value if isinstance(value, list) else [value]
        if all(isinstance(text, str) for text in texts) and any(map(str.strip, texts)):
            return "\\n\\n".join([*filter(str.strip, texts), row["question"]])
    return row["question"]
'''
_ANSWER = f'''
def answer(row):
    """The answer, or the first of several."""
    for name in {ANSWERS!r}:
        value = row.get(name)
        if isinstance(value, dict):  # SQuAD
            value = value["text"]
        if isinstance(value, list) and value:
            return value[0]
        if isinstance(value, str) and value.strip():
            return value
    return ""
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
    judged = FORMATS[data.form].judged if data.form in FORMATS else ()
    if judged:
        helpers = (*helpers, _JUDGES if LABEL in judged else f"\nJUDGING = {judged!r}\n")
        body = _BAD + body
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
        case "preference":
            helpers = (_FIRST, _ASKED, _PARSED, _MESSAGES, _CONVERSATION, _BEFORE, _PROMPTED)
            return helpers, _PREFERENCE.format(
                prompt=data.prompt, instruction=_INSTRUCTION, question=_QUESTION
            )
        case "alpaca":
            helpers, prompt, reply = (_NAMED,), _INSTRUCTION, "named(row, 'output', 'response')"
        case "question":
            helpers, prompt, reply = (_ASKED, _ANSWER), _QUESTION, "answer(row)"
        case _ if data.template is not None:
            prompt, reply = (f"filled({text!r}, row)" for text in data.template)
            return (_FILLED,), f"    prompt = {prompt}\n    reply = {reply}\n{_PAIR}"
        case _:
            helpers = (_FIRST, _PARSED, _MESSAGES, _BEFORE, _PROMPTED)
            return helpers, f"    return prompted(row, row[{data.prompt!r}], row[{data.completion!r}])\n"
    helpers = (_FIRST, *helpers, _PARSED, _MESSAGES, _BEFORE)
    return helpers, f"    return pair(row, {prompt}, {reply})\n"


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
            yield from table([header, *file], mark)
""",
    "tsv": """\
            header = next(line for line in file if line.strip())
            yield from table([header, *file], "\\t")
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
        yield from map(present, pyarrow.parquet.read_table(name).to_pylist())
"""
_TABLE = '''def table(lines, mark):
    """Rows below a header; between tabs, quotes may be text."""
    quoting = csv.QUOTE_MINIMAL
    if mark == "\\t":
        cells = [line.rstrip("\\r\\n").split(mark) for line in lines if line.strip("\\r\\n")]
        opened = [cell for row in cells for cell in row if cell.startswith('"')]
        if len(set(map(len, cells))) == 1 and not all(
            re.fullmatch(r'"(?:[^"]|"")*"', cell) for cell in opened
        ):
            quoting = csv.QUOTE_NONE
    csv.field_size_limit(2**31 - 1)
    return csv.DictReader(lines, delimiter=mark, quoting=quoting)


'''
_PRESENT = '''def present(value, within=False):
    """A row of a table without the nulls that objects within it are filled up with."""
    if isinstance(value, list):
        return [present(inner, True) for inner in value]
    if not isinstance(value, dict):
        return value
    kept = {name: inner for name, inner in value.items() if not within or inner is not None}
    return {name: present(inner, True) for name, inner in kept.items()}


'''


def rows(data: DataRecipe) -> str:
    """The function `rows`, which yields the records in their order."""
    if data.hub is not None:
        config = f", {data.hub.config!r}" if data.hub.config else ""
        text = f"    return map(present, load_dataset({data.hub.name!r}{config}, split={data.hub.split!r}))\n"
    else:
        text = "".join(_loop(*key, files=list(files)) for key, files in groupby(data.files, _way))
    helpers = [helper for name, helper in (("present,", _PRESENT), ("from table(", _TABLE)) if name in text]
    return "".join([*helpers, f"def rows():\n{text}"])


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
