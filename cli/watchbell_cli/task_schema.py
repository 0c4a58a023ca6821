"""The JSON schema of a file for `cron apply`, made from the code that reads it, for editors."""

from typing import Any

from watchbell.tasks import (
    DEFAULT_DELIVER_WITHIN_HOURS,
    FOREVER,
    MAX_GRACE_MINUTES,
    MAX_PROOF_OF_LIFE_EVERY,
    MAX_WINDOW_HOURS,
    PROVIDERS,
    CatchUp,
    Kind,
    OnUnknown,
    WindowRule,
)

MAX_DELIVER_WITHIN_HOURS = 24 * 30
_INSTANT = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?([zZ]|[+-]\d{2}:?\d{2})?$"


def file_schema() -> dict[str, Any]:
    """Return the schema of a whole file: an object with `tasks`, or just their list."""
    tasks = {"type": "array", "items": {"$ref": "#/$defs/task"}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Watchbell tasks",
        "anyOf": [
            tasks,
            {
                "type": "object",
                "required": ["tasks"],
                "additionalProperties": False,
                "properties": {
                    "tasks": tasks,
                    "set": {
                        "type": "string",
                        "pattern": r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
                        "description": "Which tasks `apply --prune` may remove: those that this set has brought.",
                    },
                    "$schema": {"type": "string"},
                    "watchbell_export": {"type": "integer"},
                },
            },
        ],
        "$defs": {"task": task_schema()},
    }


def task_schema() -> dict[str, Any]:
    """Return the schema of one task as a file may have it."""
    return {
        "type": "object",
        "required": ["kind", "cron"],
        "allOf": [
            {"anyOf": [_given("id"), _given("name")]},
            {
                "anyOf": [
                    {"required": ["provider", "chat_id"]},
                    {"required": ["provider"], "properties": {"provider": {"const": "console"}}},
                    {"required": ["targets"], "properties": {"targets": {"minItems": 1}}},
                ]
            },
        ],
        "properties": _properties(),
        "patternProperties": {"^x-": True},
        "additionalProperties": False,
    }


def _given(name: str) -> dict[str, Any]:
    return {"required": [name], "properties": {name: {"type": "string", "minLength": 1}}}


def _properties() -> dict[str, Any]:
    target = rf"^({'|'.join(PROVIDERS)}):.*\S"
    return {
        "id": _text("Names the task for good; without it the name does.", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"),
        "name": _text("A name for people; commands take it in place of the id."),
        "kind": {"enum": [kind.value for kind in Kind], "description": "What is reported."},
        "cron": _text('Five fields, such as "0 9 * * 1-5" (1 is Monday).', examples=["0 9 * * 1-5", "H 8 * * mon"]),
        "timezone": _text("An IANA zone.", default="UTC", examples=["Europe/Berlin", "Asia/Kolkata"]),
        "provider": {"enum": list(PROVIDERS), "description": "Where the first target is."},
        "chat_id": {"type": ["string", "integer"], "description": "The chat, channel or user of the first target."},
        "targets": {
            "type": "array",
            "items": {"type": "string", "pattern": target},
            "description": "Further targets, or all of them: provider:chat-id.",
        },
        "window": {
            "enum": [one.value for one in WindowRule],
            "default": WindowRule.HOURS.value,
            "description": "A number of hours, or where the last report ended.",
        },
        "window_hours": _whole("The hours a report looks back.", 1, MAX_WINDOW_HOURS, default=24),
        "enabled": {"type": "boolean", "default": True},
        "paused_until": {
            "anyOf": [{"const": FOREVER}, {"type": "string", "pattern": _INSTANT}],
            "description": "Fires are skipped until then. Left out, a pause stays as it is.",
        },
        "catch_up": {"enum": [one.value for one in CatchUp], "default": CatchUp.LATEST.value},
        "on_unknown": {"enum": [one.value for one in OnUnknown], "default": OnUnknown.HOLD.value},
        "skip_if_quiet": {"type": "boolean", "default": False},
        "proof_of_life_every": _whole(
            "After so many quiet reports in a row the next one is sent; 0: never.", 0, MAX_PROOF_OF_LIFE_EVERY
        ),
        "grace_minutes": _whole("How late a fire may still start.", 1, MAX_GRACE_MINUTES),
        "deliver_within_hours": _whole(
            "How long sending is retried.", 1, MAX_DELIVER_WITHIN_HOURS, default=DEFAULT_DELIVER_WITHIN_HOURS
        ),
        "params": {"type": "object", "description": "Parameters of the kind. Credentials do not belong here."},
        "created_at": {"type": "string", "pattern": _INSTANT},
        "managed_by": {"type": "string", "description": "Written by apply and ignored in a file."},
    }


def _text(description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **more}


def _whole(description: str, lowest: int, highest: int, **more: Any) -> dict[str, Any]:
    return {"type": "integer", "minimum": lowest, "maximum": highest, "description": description, **more}
