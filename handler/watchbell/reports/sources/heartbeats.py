"""Alerts that fire always, to prove that alerting works. They are proof of watching and never counted as alerts."""

from collections.abc import Collection, Mapping

#: The names in use: kube-prometheus, older rule sets, and the service that made the idea known.
HEARTBEATS: frozenset[str] = frozenset({"Watchdog", "DeadMansSwitch", "DeadMansSnitch", "DeadMan"})

#: Alertmanager also takes alerts without a name; one of them must not make the others of its group unreadable.
NAMELESS = "(no alertname)"


def is_heartbeat(labels: Mapping[str, str], names: Collection[str]) -> bool:
    """Say whether these are the labels of an always-firing alert."""
    return labels.get("alertname", "") in names
