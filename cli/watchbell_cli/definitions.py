"""From options to the JSON of a task; pure. What was not given stays as it is, unknown fields included."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from watchbell.delivery.place import wrong_place
from watchbell.errors import TaskError, UsageError
from watchbell.instants import format_instant
from watchbell.secrets.redaction import is_credential_key, redact
from watchbell.tasks import Target, Task, WindowRule, task_from_json
from watchbell_cli.options import parse_params

Options = Mapping[str, Any]

CONSOLE_LABEL = "stdout"

#: Field of a task -> the option that sets it.
OPTION_OF = {
    "kind": "--kind",
    "cron": "--cron",
    "timezone": "--tz",
    "provider": "--provider",
    "chat_id": "--chat-id",
    "targets": "--target",
    "name": "--name",
    "window": "--window",
    "window_hours": "--window",
    "grace_minutes": "--grace",
    "catch_up": "--catch-up",
    "on_unknown": "--on-unknown",
    "skip_if_quiet": "--skip-if-quiet",
    "proof_of_life_every": "--proof-of-life",
    "deliver_within_hours": "--deliver-within",
    "params": "--param",
}
_PLAIN = {
    "name": "name",
    "kind": "kind",
    "cron": "cron",
    "tz": "timezone",
    "catch_up": "catch_up",
    "on_unknown": "on_unknown",
    "skip_if_quiet": "skip_if_quiet",
    "proof_of_life": "proof_of_life_every",
    "deliver_within": "deliver_within_hours",
}


def new_definition(task_id: str, options: Options, created_at: datetime) -> dict[str, Any]:
    """Return the JSON of a new task: the fields that every task has, then those that were given."""
    raw: dict[str, Any] = {
        "id": task_id,
        "kind": options["kind"],
        "cron": options["cron"],
        "timezone": options["tz"] or "UTC",
        "provider": None,
        "chat_id": None,
        "window_hours": 24,
        "enabled": not options["disabled"],
        "params": {},
        "created_at": format_instant(created_at),
    }
    return changed_definition(raw, options)


def changed_definition(raw: Mapping[str, Any], options: Options) -> dict[str, Any]:
    """Return `raw` with what the options say; everything else stays as it is."""
    changed = dict(raw)
    for option, field in _PLAIN.items():
        if options[option] is not None:
            changed[field] = options[option]
    if options["window"] == WindowRule.SINCE_LAST:
        changed["window"] = options["window"]
    elif options["window"] is not None:
        changed["window_hours"] = options["window"]
        changed.pop("window", None)
    if options["grace"] == "default":
        changed.pop("grace_minutes", None)
    elif options["grace"] is not None:
        changed["grace_minutes"] = options["grace"]
    _change_targets(changed, options)
    _change_params(changed, options)
    return changed


def checked_task(raw: Mapping[str, Any]) -> Task:
    """Return the task that `raw` is; raises UsageError in the words of the command line."""
    _refuse_unprintable_name(raw.get("name"))
    try:
        task = task_from_json(dict(raw))
        json.dumps(raw, ensure_ascii=False, allow_nan=False).encode()
    except TaskError as error:
        option = OPTION_OF.get(error.path)
        message = str(error).removeprefix(f"{error.path}: ")
        raise UsageError(f"{option}: {message}" if option else str(error)) from error
    except UnicodeEncodeError:
        raise UsageError("one of the values is not UTF-8 text") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--param: {error}") from None
    for position, target in enumerate(task.targets):
        if wrong := wrong_place(target):
            raise UsageError(f"{'--target' if position else '--chat-id'}: {redact(str(target))}: {wrong}")
    return task


def credential_params(params: Mapping[str, Any]) -> list[str]:
    """Return the names of parameters that look like credentials, at any depth."""
    found = [key for key in params if is_credential_key(key)]
    for value in params.values():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict):
                found += credential_params(item)
    return list(dict.fromkeys(found))


def _refuse_unprintable_name(name: object) -> None:
    if isinstance(name, str) and not name.isprintable():
        raise UsageError(f"--name: {name!r} holds a control character")


def _change_targets(raw: dict[str, Any], options: Options) -> None:
    """Set the targets: --provider with --chat-id is the first, each --target a further one."""
    further = [_target(text) for text in options["targets"]]
    first = _first_target(raw, options)
    if first is None and further:
        first, *further = further
    if first is not None:
        raw["provider"], raw["chat_id"] = first.provider, first.chat_id
    if further:
        raw["targets"] = [str(target) for target in dict.fromkeys(further)]
    elif options["targets"]:
        raw.pop("targets", None)
    if raw.get("provider") is None:
        raise UsageError("a task needs a target: --provider with --chat-id, or --target PROVIDER:CHAT")


def _target(text: str) -> Target:
    try:
        return Target.parse(f"console:{CONSOLE_LABEL}" if text == "console" else text)
    except ValueError as error:
        raise UsageError(f"--target: {error}") from None


def _first_target(raw: Mapping[str, Any], options: Options) -> Target | None:
    provider, chat_id = options["provider"], options["chat_id"]
    if provider is None and chat_id is None:
        return None
    if provider is None:
        provider = raw.get("provider")
    if provider is None:
        raise UsageError("--chat-id needs --provider")
    if chat_id is None and provider == "console":
        chat_id = CONSOLE_LABEL
    if chat_id is None and provider == raw.get("provider"):
        chat_id = raw.get("chat_id")
    # A provider that is mistyped is told of first.
    checked = _checked_target(str(provider), "x" if chat_id is None else str(chat_id))
    if chat_id is None:
        raise UsageError(f"--provider {provider} needs --chat-id")
    return checked


def _checked_target(provider: str, chat_id: str) -> Target:
    try:
        return Target.parse(f"{provider}:{chat_id}")
    except ValueError as error:
        option = "--provider" if str(error).startswith("unknown provider") else "--chat-id"
        raise UsageError(f"{option}: {error}") from None


def _change_params(raw: dict[str, Any], options: Options) -> None:
    """Set parameters: a file replaces them all, each --param sets one, --unset-param removes one."""
    params = dict(raw["params"]) if isinstance(raw.get("params"), dict) else {}
    if options["params_file"] is not None:
        params = dict(options["params_file"])
    params |= parse_params(options["params"])
    for key in options.get("unset_params", ()):
        if key not in params:
            raise UsageError(f"--unset-param: there is no parameter {key!r}")
        del params[key]
    if options["params_file"] is not None or options["params"] or options.get("unset_params"):
        raw["params"] = params
