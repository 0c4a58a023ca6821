"""Python values as DynamoDB's attribute values and back. None is no attribute at all."""

from collections.abc import Mapping
from typing import Any

Item = dict[str, Any]


def to_attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item or a set of expression values as the API takes them."""
    return {name: _to_attribute(value) for name, value in values.items() if value is not None}


def from_attributes(attributes: Mapping[str, Any]) -> Item:
    """Return the plain values of an item."""
    return {name: _from_attribute(value) for name, value in attributes.items()}


def _to_attribute(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"BOOL": value}
    if isinstance(value, int | float):
        return {"N": repr(value)}
    if isinstance(value, bytes):
        return {"B": value}
    if isinstance(value, Mapping):
        return {"M": to_attributes(value)}
    # Half a surrogate pair, as a provider's error may hold, has no form in UTF-8.
    return {"S": str(value).encode("utf-8", "replace").decode()}


def _from_attribute(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    if kind == "N":
        return int(value) if value.lstrip("-").isdigit() else float(value)
    if kind == "M":
        return from_attributes(value)
    return value
