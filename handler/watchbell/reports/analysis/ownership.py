"""Whose an alert is, what its runbook is, and which alerting rule made it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from watchbell.reports.interface import AlertRule

#: Where owners stand, the first that is set: alerts are routed by labels, so an owner is a label.
OWNER_LABELS = ("team", "owner")
RUNBOOK_ANNOTATIONS = ("runbook_url", "runbook")


def owner_of(labels: Mapping[str, str]) -> str | None:
    """Return who is to look at an alert with these labels, None where they do not say."""
    name = owner_label(labels)
    return labels[name] if name else None


def owner_label(labels: Mapping[str, str]) -> str | None:
    """Return under which label the owner stands."""
    return next((name for name in OWNER_LABELS if labels.get(name)), None)


def runbook_of(annotations: Mapping[str, str]) -> str | None:
    """Return where the runbook is, None where the annotations do not say."""
    return next((annotations[name] for name in RUNBOOK_ANNOTATIONS if annotations.get(name)), None)


class RuleBook:
    """The alerting rules by name. Empty where no source tells of rules."""

    def __init__(self, rules: Iterable[AlertRule]) -> None:
        self._by_name: dict[str, list[AlertRule]] = defaultdict(list)
        for rule in rules:
            self._by_name[rule.name].append(rule)

    def makers_of(self, labels: Mapping[str, str]) -> tuple[AlertRule, ...]:
        """Return the rules that may have made an alert with these labels: the name, and all fixed labels, agree."""
        named = self._by_name.get(labels.get("alertname", ""), [])
        return tuple(rule for rule in named if _may_have_made(rule, labels))


def _may_have_made(rule: AlertRule, labels: Mapping[str, str]) -> bool:
    fixed = {name: value for name, value in rule.labels.items() if "{{" not in value}  # the others are templates
    return all(labels.get(name, "") == value for name, value in fixed.items())
