"""What a session trains on: compared with the record, and recorded whenever nodes come or go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from search.cluster import Capacity
from search.config.schema import SearchConfig
from search.errors import TightropeError
from search.record import Event, SearchState, SlotsChosen
from search.record.clock import now
from search.resume import free_name
from search.wording import plural
from trainables.data.facts import data_lines, data_warnings
from trainables.messages import GroupFacts
from trainables.specs import TRAINABLES


@dataclass
class Machines:
    """The machines of a session, once its first worker group is up.

    Attributes:
        config: The search.
        state: As recorded; followed as it changes.
        append: Records an event.
        say: Shows a line.
    """

    config: SearchConfig
    state: SearchState
    append: Callable[[Event], None]
    say: Callable[[str], None]
    _chosen: SlotsChosen | None = None

    def begin(self, facts: GroupFacts, there: Capacity) -> None:
        """Records what the first group has chosen and what there is; it costs from the session's beginning.

        Raises:
            TightropeError: The model or the data differ from those of the recorded trials.
        """
        self._check(facts)
        self._record(
            SlotsChosen(
                groups=max(1, there.groups),
                slots=facts.slots,
                reason=TRAINABLES[self.config.trainable].unpacked or facts.packing,
                devices=there.devices,
                nodes=there.nodes,
                attention=facts.attention,
            )
        )

    def change(self, there: Capacity) -> None:
        """Records that nodes have come or gone: what is there costs from now on."""
        if self._chosen is None:
            return  # `begin` records it
        groups = plural(there.groups, "worker group")
        self.say(f"the cluster has {plural(there.nodes, 'node')} now, with room for {groups}")
        present = {"groups": there.groups, "devices": there.devices, "nodes": there.nodes, "time": now()}
        self._record(self._chosen.model_copy(update=present))

    def wanted(self, may_begin: bool) -> int:
        """How many more groups would have trials to train, as far as those are known.

        Args:
            may_begin: Whether new trials may begin.
        """
        if self._chosen is None or not may_begin:
            return 0
        return (self.config.trials - self.state.searched) // self._chosen.slots

    def _record(self, chosen: SlotsChosen) -> None:
        self._chosen = chosen
        self.append(chosen)

    def _check(self, facts: GroupFacts) -> None:
        """The model and the data must be those that the record's trials were trained with."""
        measured = self.state.baselines.values()
        recorded = next((baseline.fingerprints for baseline in measured), {})
        for key, served in (("model", facts.model_fingerprint), ("data", facts.data_fingerprint)):
            if recorded.get(key, served) != served:
                raise TightropeError(
                    f"The {key} differs from that of this search: {recorded[key][:12]} then, "
                    f"{served[:12]} now.",
                    hint="Restore the recorded files, or start a new search with "
                    f"name={free_name(self.config)}.",
                )
        ready = f"model and data ready on {facts.device} after {facts.load_seconds:.1f} s"
        self.say(f"{ready}, attention by {facts.attention}")
        for line in (*data_lines(facts.data), *(f"warning: {text}" for text in data_warnings(facts.data))):
            self.say(line)
