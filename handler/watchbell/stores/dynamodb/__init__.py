"""The store that many machines share: two DynamoDB tables, `PREFIX-tasks` and `PREFIX-runs`.

Keys and attributes are described in tables.py; docs/decisions/0007-dynamodb.md says why they are as they are.
"""

from watchbell.stores.dynamodb.store import DynamoStore

__all__ = ["DynamoStore"]
