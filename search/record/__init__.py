"""The record: a search's append-only `events.jsonl`, and the state rebuilt from it."""

from search.record.events import (
    BaselineMeasured,
    Decided,
    Event,
    Failed,
    FrontMeasured,
    RequestAnswered,
    RungReached,
    SearchEnded,
    SearchStarted,
    SessionStarted,
    SlotsChosen,
    TrialFinished,
    TrialProposed,
    WarmStarted,
    parse_event,
)
from search.record.files import RecordReader, RecordWriter, read_events
from search.record.state import SearchState, TrialState

__all__ = [
    "BaselineMeasured",
    "Decided",
    "Event",
    "Failed",
    "FrontMeasured",
    "RecordReader",
    "RecordWriter",
    "RequestAnswered",
    "RungReached",
    "SearchEnded",
    "SearchStarted",
    "SearchState",
    "SessionStarted",
    "SlotsChosen",
    "TrialFinished",
    "TrialProposed",
    "TrialState",
    "WarmStarted",
    "parse_event",
    "read_events",
]
