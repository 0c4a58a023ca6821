"""The store of one machine: task definitions in a JSON file, everything else in one SQLite database."""

from watchbell.stores.local.store import LocalStore

__all__ = ["LocalStore"]
