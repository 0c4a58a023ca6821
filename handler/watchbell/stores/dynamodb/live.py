"""Which run of a task is live, without a second write when it ends.

A task's item names the attempt that was the last to become live (`live`); claims and take-overs of scheduled runs set
it, on the condition that it is as they saw it. Whether that attempt still is live, its run tells. One that has ended
never comes to life again under the same name, so that having seen it once is enough.
"""

from watchbell.claims import LIVE
from watchbell.stores.dynamodb.attributes import Item
from watchbell.stores.dynamodb.connection import Database
from watchbell.stores.dynamodb.items import read_live_mark, run_key

_MOST = 10_000


class LiveRuns:
    """Looks at the runs that tasks name, and remembers which of them have ended."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._ended: dict[str, str] = {}

    def is_live(self, task: Item, but: str | None = None) -> bool:
        """Return whether a task has a live scheduled run, other than the one at the fire time `but`."""
        mark = task.get("live")
        if mark is None or self._ended.get(task["task_id"]) == mark:
            return False
        fire_time, attempt = read_live_mark(mark)
        if fire_time == but:
            return False
        run = self._database.get(self._database.runs, run_key(task["task_id"], fire_time))
        if run is not None and run["status"] in LIVE and run["attempt"] == attempt:
            return True
        self.note_ended(task["task_id"], mark)
        return False

    def note_ended(self, task_id: str, mark: str) -> None:
        """Remember that an attempt has ended."""
        if len(self._ended) >= _MOST:
            self._ended.clear()  # what is forgotten is looked up again
        self._ended[task_id] = mark

    def ended(self, task_id: str) -> str | None:
        """Return the name of the newest run of a task that is known to have ended, and forget it."""
        return self._ended.pop(task_id, None)
