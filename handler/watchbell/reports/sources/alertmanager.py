"""What fires now, and silences, from Alertmanager's v2 API. Of alerts it keeps no history, and says so.

Silences that are over it keeps for five days (`--data.retention`, 120 h unless changed).
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Unpack

from watchbell.clock import Clock
from watchbell.errors import SourceError
from watchbell.instants import parse_instant
from watchbell.reports.analysis.matchers import Matcher
from watchbell.reports.interface import Coverage, CoverageStatus, Episode, Evidence, Silence
from watchbell.reports.sources.access import Access
from watchbell.reports.sources.heartbeats import HEARTBEATS, NAMELESS, is_heartbeat
from watchbell.reports.sources.http import Deadline, JsonReader

DEADLINE_SECONDS = 45.0
#: `disabled` is a single instance without a cluster.
READY = ("ready", "disabled")


class Alertmanager:
    """Reads /api/v2; proof of watching is a status of ready. `covered_from` stays empty: it knows only now."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        name: str = "alertmanager",
        required: bool = True,
        deadline_seconds: float = DEADLINE_SECONDS,
        heartbeats: Collection[str] = HEARTBEATS,
        reader: JsonReader | None = None,
        **access: Unpack[Access],
    ) -> None:
        self.name = name
        self.required = required
        self._clock = clock
        self._deadline_seconds = deadline_seconds
        self._heartbeats = heartbeats
        self._reader = reader or JsonReader(url, **access)

    def read(self, start: datetime, end: datetime) -> Evidence:
        """Return what fires now and began before `end`, and the silences in force now or within [start, end)."""
        try:
            return self._read(start, end)
        except SourceError as error:
            return self._evidence(CoverageStatus.FAILED, str(error))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return self._evidence(
                CoverageStatus.FAILED, f"{self._reader.address} answered in an unknown shape ({type(error).__name__})"
            )

    def _read(self, start: datetime, end: datetime) -> Evidence:
        deadline = Deadline(self._clock, self._deadline_seconds)
        cluster = self._reader.get("/api/v2/status", {}, deadline)["cluster"]["status"]
        alerts = _list_of_objects(self._reader.get("/api/v2/alerts", {}, deadline))
        silences = _list_of_objects(self._reader.get("/api/v2/silences", {}, deadline))
        episodes = tuple(
            episode
            for episode in map(_episode, alerts)
            if episode.start < end and not is_heartbeat(episode.labels, self._heartbeats)
        )
        known = [(_silence(raw), raw["status"]["state"]) for raw in silences]
        in_force = tuple(one for one, state in known if state == "active" or _was_in_force(one, state, start, end))
        found = {"episodes": episodes, "silences": in_force}
        if cluster not in READY:
            return self._evidence(CoverageStatus.UNPROVEN, f"its cluster is {cluster}, not ready", **found)
        return self._evidence(CoverageStatus.OK, "ready; knows what fires now, keeps no history", **found)

    def _evidence(self, status: CoverageStatus, detail: str, **found: Any) -> Evidence:
        age = None if status is CoverageStatus.FAILED else 0.0
        coverage = Coverage(source=self.name, status=status, detail=detail, age_seconds=age, required=self.required)
        return Evidence(coverage=coverage, **found)


def _list_of_objects(answer: Any) -> list[dict[str, Any]]:
    if not isinstance(answer, list) or not all(isinstance(item, dict) for item in answer):
        raise TypeError("a list of objects was expected")
    return answer


def _texts(raw: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in raw.items()}


def _episode(raw: dict[str, Any]) -> Episode:
    # endsAt is only when Alertmanager will forget the alert unless it is told again.
    return Episode(
        labels={"alertname": NAMELESS} | _texts(raw["labels"]),
        start=parse_instant(raw["startsAt"]),
        end=None,
        annotations=_texts(raw.get("annotations") or {}),
    )


def _silence(raw: dict[str, Any]) -> Silence:
    return Silence(
        id=str(raw["id"]),
        matchers=", ".join(map(_matcher, raw["matchers"])),
        created_by=str(raw.get("createdBy", "")),
        comment=str(raw.get("comment", "")),
        start=parse_instant(raw["startsAt"]),
        end=parse_instant(raw["endsAt"]),
    )


def _was_in_force(silence: Silence, state: str, start: datetime, end: datetime) -> bool:
    """Say whether a silence that is over was in force within [start, end); one ended by hand ends at that instant."""
    return state == "expired" and silence.start < silence.end and silence.start < end and silence.end > start


def _matcher(raw: dict[str, Any]) -> str:
    operator = {(True, False): "=", (True, True): "=~", (False, False): "!=", (False, True): "!~"}
    sign = operator[bool(raw.get("isEqual", True)), bool(raw["isRegex"])]
    return str(Matcher(str(raw["name"]), sign, str(raw["value"])))
