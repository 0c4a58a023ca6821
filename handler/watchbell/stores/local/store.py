"""The home folder of one machine as a store."""

from pathlib import Path

from watchbell.errors import StoreError
from watchbell.stores.local.database import Database
from watchbell.stores.local.faults import translated
from watchbell.stores.local.runs import LocalRuns
from watchbell.stores.local.tasks import LocalTasks
from watchbell.stores.local.tasks_file import TasksFile
from watchbell.stores.local.ticks import LocalTicks

TASKS_FILE = "scheduler_tasks.json"
DATABASE = "scheduler.db"


class LocalStore:
    """See Store. `home` must exist."""

    def __init__(self, home: Path) -> None:
        with translated(home / DATABASE):
            is_folder = home.is_dir()
        if not is_folder:
            raise StoreError(f"there is no folder {home}; `watchbell cron add` makes it, WATCHBELL_HOME names another")
        self._database = Database(home / DATABASE)
        self.tasks = LocalTasks(self._database, TasksFile(home / TASKS_FILE))
        self.runs = LocalRuns(self._database)
        self.ticks = LocalTicks(self._database)

    def close(self) -> None:
        self._database.close()
