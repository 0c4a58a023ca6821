"""Requests that write one item, alone or as one action of a transaction. In expressions every attribute is `#name`."""

import re
from collections.abc import Mapping
from typing import Any

from watchbell.stores.dynamodb.attributes import Item, to_attributes

Request = dict[str, Any]
Key = Mapping[str, str]


def put(table: str, item: Item, condition: str = "", **values: Any) -> Request:
    """Return the request that writes an item whole; `values` are those of the condition, `:name` each."""
    return {"TableName": table, "Item": to_attributes(item)} | _expressions({"ConditionExpression": condition}, values)


def update(
    table: str, key: Key, expression: str, condition: str, values: Item, names: Mapping[str, str] | None = None
) -> Request:
    """Return the request that changes an item; `names` are those that are no words, such as the key of a part."""
    expressions = {"UpdateExpression": expression, "ConditionExpression": condition}
    return {"TableName": table, "Key": to_attributes(key)} | _expressions(expressions, values, names or {})


def delete(table: str, key: Key, condition: str, values: Item) -> Request:
    """Return the request that deletes an item."""
    return {"TableName": table, "Key": to_attributes(key)} | _expressions({"ConditionExpression": condition}, values)


def assignments(values: Mapping[str, Any]) -> str:
    """Return the update expression that sets what has a value and removes what has none."""
    kept = [f"#{name} = :{name}" for name, value in values.items() if value is not None]
    gone = [f"#{name}" for name, value in values.items() if value is None]
    return " ".join(
        ([f"SET {', '.join(kept)}"] if kept else []) + ([f"REMOVE {', '.join(gone)}"] if gone else []),
    )


def _expressions(expressions: dict[str, str], values: Item, names: Mapping[str, str] | None = None) -> Request:
    request: Request = {name: text for name, text in expressions.items() if text}
    if request.get("ConditionExpression"):
        request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    words = {f"#{word}": word for text in request.values() for word in re.findall(r"#(\w+)", text)} | dict(names or {})
    if words:
        request["ExpressionAttributeNames"] = words
    given = to_attributes({f":{name}": value for name, value in values.items()})
    if given:
        request["ExpressionAttributeValues"] = given
    return request
