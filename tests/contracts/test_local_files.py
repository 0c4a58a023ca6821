"""scheduler_tasks.json and scheduler.db of one machine: whole old or whole new, never overwritten unless understood."""

import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from contracts.conftest import START, add, at, claimed, expectation, new_owner, plan, raw_task, replace_task
from fakes.processes import Process, line_up, race
from watchbell.claims import GapStatus, Status, plan_move
from watchbell.deliveries import PartState
from watchbell.errors import ConfigError, StoreError
from watchbell.instants import (
    MINUTE,
    epoch_minute,
    epoch_seconds,
    floor_minute,
    format_instant,
    from_epoch_minute,
)
from watchbell.schedule import Schedule
from watchbell.stores.interface import ClaimResult, Settlement
from watchbell.stores.local import LocalStore
from watchbell.stores.local.owners import OwnerLock
from watchbell.stores.local.tasks import LocalTasks
from watchbell.stores.local.tasks_file import TasksFile

TASK = "a1b2c3d4e5f6"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def store(home: Path) -> Iterator[LocalStore]:
    opened = LocalStore(home)
    yield opened
    opened.close()


def file_of(home: Path) -> Path:
    return home / "scheduler_tasks.json"


def put(home: Path, content: object, edited: datetime) -> bytes:
    """Write the tasks file as a hand would, last edited at `edited`; return its bytes."""
    data = content if isinstance(content, bytes) else json.dumps(content, indent=2).encode()
    path = file_of(home)
    path.write_bytes(data)
    os.utime(path, (epoch_seconds(edited), epoch_seconds(edited)))
    return data


def refresh(store: LocalStore, moment: str) -> list[str]:
    """Index hand edits as the tick of this moment does; return what is wrong with single tasks."""
    return [str(error) for error in store.tasks.refresh(at(moment).replace(second=0), at(moment))]


class TestWriters:
    def test_four_hundred_adds_of_eight_processes_all_land(self, home: Path, store: LocalStore) -> None:
        add(store, raw_task(their_field="kept"))
        race(add_many, [(str(home), writer) for writer in range(8)])
        tasks = store.tasks.listing().tasks
        assert len({task.id for task in tasks}) == 401
        assert tasks[0].raw["their_field"] == "kept"
        assert len(store.tasks.due(at("09:00"))) == 401
        assert refresh(store, "08:35:00") == []

    def test_a_writer_killed_anywhere_leaves_the_whole_old_or_the_whole_new_file(self, home: Path) -> None:
        chance, newest = random.Random(3), 0
        LocalStore(home).close()
        for _ in range(12):
            writer = Process(rewrite_for_ever, str(home), newest)
            assert writer.line() == "writing"
            time.sleep(chance.uniform(0, 0.08))
            writer.kill()
            tasks = json.loads(file_of(home).read_bytes())
            generations = {task["generation"] for task in tasks}
            assert len(tasks) == 50
            assert len(generations) == 1, "a file of two generations is torn"
            assert newest <= generations.copy().pop()
            newest = generations.pop()
            assert len(list(home.glob("*.tmp"))) <= 1
        store = LocalStore(home)
        refresh(store, "08:40:00")
        assert expectation(store, "t00").task.raw["generation"] == newest
        store.close()

    def test_a_killed_holder_of_the_files_lock_blocks_nobody(self, home: Path, store: LocalStore) -> None:
        holder = Process(hold_the_file, str(home))
        assert holder.line() == "holding"
        holder.kill()
        before = time.monotonic()
        add(store, raw_task())
        assert time.monotonic() - before < 5

    def test_a_change_whose_writer_died_before_it_was_indexed_is_taken_up_and_fires_nothing_twice(
        self, home: Path, store: LocalStore
    ) -> None:
        add(store, raw_task())
        run = claimed(store, at("09:00:02"))
        store.runs.settle(run, Settlement(status=Status.SUCCESS), now=at("09:00:09"))
        assert Process(die_before_indexing, str(home)).ended() == -signal.SIGKILL
        os.utime(file_of(home), (epoch_seconds(at("09:00:30")),) * 2)
        assert [task.id for task in store.tasks.listing().tasks] == [TASK, "bbbb"]
        assert refresh(store, "09:00:40") == []
        assert expectation(store).next_fire == at("10:00")
        assert expectation(store, "bbbb").next_fire == at("09:01")
        assert store.runs.gaps("bbbb", limit=5) == []
        assert not list(home.glob("*.tmp"))


def add_many(home: str, writer: int) -> None:
    store = LocalStore(Path(home))
    line_up()
    for number in range(50):
        add(store, raw_task(f"w{writer}n{number:02}"))


def rewrite_for_ever(home: str, generation: int) -> None:
    store = LocalStore(Path(home))
    while True:
        generation += 1
        tasks = [raw_task(f"t{number:02}", generation=generation) for number in range(50)]
        store.tasks.change(lambda old, new=tasks: new, now=START)  # type: ignore[misc]
        print("writing", flush=True)


def hold_the_file(home: str) -> None:
    with TasksFile(file_of(Path(home))).locked():
        print("holding", flush=True)
        time.sleep(60)


class DiesBeforeIndexing(LocalTasks):
    """As a process that is killed between the renaming of the file and the indexing."""

    def _index(self, *arguments: Any, **named: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def die_before_indexing(home: str) -> None:
    store = LocalStore(Path(home))
    tasks = DiesBeforeIndexing(store._database, TasksFile(file_of(Path(home))))
    tasks.change(lambda tasks: [*tasks, raw_task("bbbb", "* * * * *")], now=at("09:00:30"))


UNREADABLE = {
    "not UTF-8": (b'[\n  {"id": "a\xff"}\n]', "line 2: not UTF-8"),
    "truncated": (b'[\n  {"id": "a1b2c3d4e5f6",\n   "kind": ', "line 3 column 12"),
    "a comma too many": (b'[\n  {"id": "x",}\n]', "line 2 column"),
    "empty": (b"", "is empty; restore it"),
    "only white space": (b" \n\t ", "is empty; restore it"),
    "an object": (b"{}", "holds an object, not a list"),
    "null": (b"null", "holds null, not a list"),
    "a text": (b'"[]"', "holds a text, not a list"),
    "true": (b"true", "holds true or false, not a list"),
    "nested deeply": (b"[" * 100_000, "recursion"),
    "NaN": (b'[{"window_hours": NaN}]', "NaN is not JSON"),
    "infinity": (b'[{"window_hours": -Infinity}]', "-Infinity is not JSON"),
    "a number beyond all floats": (b'[{"x": 1e999}]', "1e999"),
    "a number of five thousand digits": (b'[{"x": ' + b"7" * 5000 + b"}]", "4300"),
    "two lists": (b"[]\n[]", "line 2 column 1"),
    "twenty megabytes of junk": (b'[{"id": "' + b"x" * 20_000_000, "line 1 column"),
}


class TestUnreadable:
    @pytest.mark.parametrize(("content", "complaint"), UNREADABLE.values(), ids=list(UNREADABLE))
    def test_it_is_a_clear_error_and_never_overwritten_and_the_last_good_index_stays_due(
        self, home: Path, store: LocalStore, content: bytes, complaint: str
    ) -> None:
        add(store, raw_task())
        put(home, content, at("08:50"))
        calls: list[Callable[[], object]] = [
            lambda: refresh(store, "09:00:01"),
            lambda: refresh(store, "09:01:01"),
            store.tasks.listing,
            lambda: add(store, raw_task("bbbb")),
        ]
        for call in calls:
            with pytest.raises(ConfigError, match=complaint) as caught:
                call()
            assert caught.value.exit_code == 3
            assert str(file_of(home)) in str(caught.value)
        assert file_of(home).read_bytes() == content
        assert not list(home.glob("*.tmp"))
        assert store.tasks.due(at("09:00")) == [TASK]
        assert claimed(store, at("09:01:02")).fire_time == "2026-11-22T09:00Z"

    def test_once_it_is_readable_again_nothing_was_lost(self, home: Path, store: LocalStore) -> None:
        add(store, raw_task())
        good = file_of(home).read_bytes()
        put(home, b"[", at("08:50"))
        with pytest.raises(ConfigError):
            refresh(store, "08:51:01")
        put(home, good, at("08:52"))
        assert refresh(store, "08:53:01") == []
        assert expectation(store).next_fire == at("09:00")

    def test_a_byte_order_mark_is_no_error(self, home: Path, store: LocalStore) -> None:
        put(home, b"\xef\xbb\xbf" + json.dumps([raw_task()]).encode(), at("08:31"))
        assert [task.id for task in store.tasks.listing().tasks] == [TASK]

    def test_a_huge_file_of_good_tasks_is_read(self, home: Path, store: LocalStore) -> None:
        put(home, [raw_task(params={"text": "x" * 20_000_000}), raw_task("bbbb")], at("08:31"))
        assert refresh(store, "08:40:01") == []
        assert set(store.tasks.due(at("09:00"))) == {TASK, "bbbb"}

    def test_a_folder_in_its_place_is_a_clear_error(self, home: Path, store: LocalStore) -> None:
        file_of(home).mkdir()
        with pytest.raises(ConfigError, match="directory"):
            store.tasks.listing()

    def test_a_vanished_file_is_no_order_to_forget_its_tasks(self, home: Path, store: LocalStore) -> None:
        add(store, raw_task())
        file_of(home).unlink()
        for call in (
            lambda: refresh(store, "09:00:01"),
            store.tasks.listing,
            lambda: add(store, raw_task("bbbb")),
        ):
            with pytest.raises(ConfigError, match=r"is gone, but 1 task\(s\) are known.*write \[\]"):
                call()  # type: ignore[operator]
        assert not file_of(home).exists()
        assert store.tasks.due(at("09:00")) == [TASK]
        put(home, [], at("09:01"))
        assert refresh(store, "09:02:01") == []
        assert store.tasks.due(at("23:00")) == []

    def test_no_file_and_no_tasks_is_an_empty_list(self, store: LocalStore) -> None:
        assert refresh(store, "09:00:01") == []
        assert store.tasks.listing().tasks == ()


HOSTILE_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"cron": "61 * * * *"}, "[1].cron"),
    ({"cron": 5}, "[1].cron"),
    ({"timezone": "Europe/Berlim"}, "[1].timezone"),
    ({"enabled": "yes"}, "[1].enabled"),
    ({"window_hours": 10**400}, "[1].window_hours"),
    ({"paused_until": "tomorrow"}, "[1].paused_until"),
    ({"params": []}, "[1].params"),
    ({"targets": ["slack"]}, "[1].targets"),
    ({"params": {"deep": json.loads("[" * 60 + "]" * 60)}}, "[1].params"),
    ({"name": "\ud800"}, "[1].name"),
    ({"id": "../../etc"}, "[1].id"),
    ({"id": None}, "[1].id"),
    ({"id": TASK}, "[1].id"),
    ({"id": 7}, "[1].id"),
]


class TestOneBadTask:
    @pytest.mark.parametrize(("fields", "path"), HOSTILE_FIELDS)
    def test_it_is_named_by_every_refresh_silences_no_other_and_keeps_its_last_good_definition(
        self, home: Path, store: LocalStore, fields: dict[str, Any], path: str
    ) -> None:
        good = [raw_task(), raw_task("bbbb"), raw_task("cccc")]
        put(home, good, at("08:31"))
        assert refresh(store, "08:32:01") == []
        put(home, [good[0], good[1] | fields, raw_task("dddd")], at("08:40"))
        for moment in ("08:41:01", "08:42:01"):
            (complaint,) = refresh(store, moment)
            assert complaint.startswith(f"{path}: ")
        kept = {"cccc"} if "id" in fields else set()  # it may be the one whose id is wrong
        assert set(store.tasks.due(at("09:00"))) == {TASK, "bbbb", "dddd"} | kept
        assert expectation(store, "bbbb").task.cron == "0 * * * *"
        listing = store.tasks.listing()
        assert [task.id for task in listing.tasks] == [TASK, "dddd"]
        assert [error.path for error in listing.errors] == [path]

    @pytest.mark.parametrize("entry", [7, None, "text", [], [[]], True, {}])
    def test_an_entry_that_is_no_task_silences_no_other(self, home: Path, store: LocalStore, entry: object) -> None:
        put(home, [entry, raw_task()], at("08:31"))
        (complaint,) = refresh(store, "08:32:01")
        assert complaint.startswith("[0]")
        assert store.tasks.due(at("09:00")) == [TASK]

    def test_several_bad_tasks_are_all_named(self, home: Path, store: LocalStore) -> None:
        put(home, [raw_task(cron="x"), raw_task("bbbb", "y"), 7, raw_task("cccc")], at("08:31"))
        assert [error.split(":")[0] for error in refresh(store, "08:32:01")] == ["[0].cron", "[1].cron", "[2]"]
        assert store.tasks.due(at("09:00")) == ["cccc"]

    def test_strange_but_allowed_content_is_kept_to_the_letter(self, home: Path, store: LocalStore) -> None:
        odd = {"half a character": "\ud800", "nul": "\x00", "big": 10**400, "deep": [[[{}]]], "text": "日本 ü"}
        put(home, [raw_task(theirs=odd)], at("08:31"))
        assert refresh(store, "08:32:01") == []
        assert store.tasks.due(at("09:00")) == [TASK]
        add(store, raw_task("bbbb"), now=at("08:33"))
        assert json.loads(file_of(home).read_bytes())[0]["theirs"] == odd
        assert "日本 ü" in file_of(home).read_text()
        assert claimed(store, at("09:00:02")).definition["theirs"] == odd

    def test_a_field_nested_as_deeply_as_can_be_silences_no_other_and_loses_nothing(
        self, home: Path, store: LocalStore
    ) -> None:
        for depth in range(800, 1000, 8):
            theirs = "[" * depth + "]" * depth
            data = put(home, f'[{json.dumps(raw_task(depth=depth))[:-1]}, "theirs": {theirs}}}]'.encode(), at("08:31"))
            try:
                assert refresh(store, "08:32:01") == []
                add(store, raw_task("bbbb"))
            except ConfigError:
                assert file_of(home).read_bytes() == data
            assert TASK in store.tasks.due(at("09:00"))

    def test_a_bad_task_removed_from_the_file_is_no_longer_named(self, home: Path, store: LocalStore) -> None:
        put(home, [raw_task(), raw_task("bbbb", "x")], at("08:31"))
        assert len(refresh(store, "08:32:01")) == 1
        put(home, [raw_task()], at("08:33"))
        assert refresh(store, "08:34:01") == []


class TestHandEdits:
    def test_a_task_written_before_this_minute_fires_in_it(self, home: Path, store: LocalStore) -> None:
        add(store, raw_task())
        put(home, [raw_task(), raw_task("bbbb", "* * * * *")], at("08:59:59"))
        refresh(store, "09:00:01")
        assert expectation(store, "bbbb").next_fire == at("09:00")

    def test_a_task_written_within_this_minute_fires_from_the_next(self, home: Path, store: LocalStore) -> None:
        add(store, raw_task())
        put(home, [raw_task(), raw_task("bbbb", "* * * * *")], at("09:00:00"))
        refresh(store, "09:00:01")
        assert expectation(store, "bbbb").next_fire == at("09:01")

    def test_a_task_written_hours_ago_never_fires_the_past(self, home: Path, store: LocalStore) -> None:
        add(store, raw_task())
        put(home, [raw_task(), raw_task("bbbb", "0,30 * * * *", catch_up="all")], at("08:31"))
        refresh(store, "12:10:01")
        assert expectation(store, "bbbb").next_fire == at("12:30")
        assert store.runs.gaps("bbbb", limit=5) == []

    def test_a_late_tick_counts_the_edit_from_the_clocks_minute(self, home: Path, store: LocalStore) -> None:
        add(store, raw_task())
        put(home, [raw_task(), raw_task("bbbb", "* * * * *")], at("08:59"))
        store.tasks.refresh(at("08:45"), at("09:20:05"))
        assert expectation(store, "bbbb").next_fire == at("09:20")

    def test_a_new_schedule_settles_what_the_old_one_owed(self, home: Path, store: LocalStore) -> None:
        add(store, raw_task())
        put(home, [raw_task(cron="30 * * * *")], at("11:15"))
        refresh(store, "11:20:01")
        (gap,) = store.runs.gaps(TASK, limit=5)
        assert (gap.status, gap.reason, gap.first, gap.last) == (GapStatus.SKIPPED, "edited", at("09:00"), at("11:00"))
        assert expectation(store).next_fire == at("11:30")

    def test_an_edit_of_something_else_keeps_what_is_due(self, home: Path, store: LocalStore) -> None:
        add(store, raw_task())
        put(home, [raw_task(chat_id="elsewhere")], at("09:00:10"))
        refresh(store, "09:01:01")
        assert claimed(store, at("09:01:02")).fire_time == "2026-11-22T09:00Z"

    def test_a_touched_file_changes_nothing(self, home: Path, store: LocalStore) -> None:
        add(store, raw_task())
        before = expectation(store)
        put(home, json.loads(file_of(home).read_bytes()), at("09:40"))
        refresh(store, "09:41:01")
        assert expectation(store) == before

    def test_an_older_copy_moved_in_within_a_minute_never_reopens_what_ran_in_it(
        self, home: Path, store: LocalStore
    ) -> None:
        add(store, raw_task(cron="* * * * *"))
        expected, move = plan(store, at("09:00:02"))
        run = store.runs.claim(expected, move, owner=new_owner(), lease_until=at("09:06"), now=at("09:00:02")).run
        assert run is not None
        store.runs.settle(run, Settlement(status=Status.SUCCESS), now=at("09:00:09"))
        put(home, [raw_task(cron="*/1 * * * *")], at("07:00"))
        refresh(store, "09:00:30")
        assert expectation(store).next_fire == at("09:01")

    def test_an_edit_after_a_tick_ahead_of_the_clock_never_reopens_what_it_settled(self, store: LocalStore) -> None:
        add(store, raw_task(cron="* * * * *"))
        run = claimed(store, at("09:02:00"))
        assert run.fire_time == "2026-11-22T09:02Z"
        replace_task(store, at("09:00:40"), cron="*/1 * * * *")
        assert expectation(store).next_fire == at("09:03")
        (gap,) = store.runs.gaps(TASK, limit=5)
        assert (gap.first, gap.last) == (at("08:31"), at("09:01"))

    def test_a_task_removed_and_added_again_after_the_clock_went_back_never_reopens_what_is_settled(
        self, store: LocalStore
    ) -> None:
        add(store, raw_task())
        claimed(store, at("12:00:02"))
        store.tasks.change(lambda tasks: [], now=at("12:10"))
        add(store, raw_task(), now=at("08:31"))
        assert expectation(store).next_fire == at("13:00")


class TestOwners:
    def test_a_living_owner_is_never_gone_and_a_killed_one_is_for_everybody_who_asks_at_once(self, home: Path) -> None:
        asking = OwnerLock(home / "owners")
        owner = Process(own_for_ever, str(home))
        token = owner.line()
        assert not asking.is_free(token)
        owner.kill()
        start, answers = threading.Barrier(8), list[bool]()

        def ask() -> None:
            start.wait()
            answers.extend(asking.is_free(token) for _ in range(200))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [True] * 1600
        assert not asking.is_free(asking.owner.token)
        asking.release()

    def test_files_of_owners_long_gone_are_swept_and_no_others(self, home: Path) -> None:
        asking = OwnerLock(home / "owners")
        dead, living = Process(own_for_ever, str(home)), Process(own_for_ever, str(home))
        tokens = {name: process.line() for name, process in (("dead", dead), ("living", living))}
        dead.kill()
        asking.sweep(60, time.time())
        assert len(list((home / "owners").iterdir())) == 3
        asking.sweep(60, time.time() + 120)
        assert {path.stem for path in (home / "owners").iterdir()} == {asking.owner.token, tokens["living"]}
        living.kill()
        asking.release()


def own_for_ever(home: str) -> None:
    print(OwnerLock(Path(home) / "owners").owner.token, flush=True)
    time.sleep(60)


class TestLedger:
    @pytest.mark.parametrize("seed", range(20))
    def test_any_ticks_and_edits_by_command_and_by_hand_leave_every_expected_fire_covered_once(
        self, home: Path, store: LocalStore, seed: int
    ) -> None:
        """As the property of tests/unit/test_claims.py, on real files; the versions of the schedule are the oracle."""
        chance, now = random.Random(seed), at("08:31:30")
        add(store, raw_task(cron="*/7 * * * *"), now=now)
        for _ in range(40):
            now += timedelta(seconds=chance.choice([-90_000, -3600, -61, 0, 1, 20, 61, 300, 1800, 7200, 40_000]))
            minute = floor_minute(now) + timedelta(minutes=chance.choice([0, 0, 0, 1, 2, -1, -60]))
            verb = chance.choice(["tick", "tick", "tick", "command", "hand", "settle"])
            if verb == "tick":
                tick(store, minute, now)
            elif verb == "command":
                edited = random_definitions(chance, now)
                store.tasks.change(lambda tasks, new=edited: new, now=now)  # type: ignore[misc]
            elif verb == "hand":
                put(home, random_definitions(chance, now), now - timedelta(seconds=chance.choice([0, 70, 5000])))
            else:
                for run in store.runs.owed(now + timedelta(days=9)):
                    store.runs.settle(run, Settlement(status=Status.SUCCESS), now=now)
        store.tasks.change(lambda tasks: [], now=now)
        assert Counter(covered(store)) == Counter(expected_by_versions(home))


def tick(store: LocalStore, minute: datetime, now: datetime) -> None:
    store.tasks.refresh(minute, now)
    for task_id in store.tasks.due(minute):
        expected = expectation(store, task_id)
        move = plan_move(
            expected,
            minute=minute,
            now=now,
            tick_deadline=timedelta(minutes=5),
            ticked_between=store.ticks.ticked_between,
        )
        if move is not None:
            result = store.runs.claim(
                expected, move, owner=new_owner(), lease_until=now + timedelta(minutes=6), now=now
            )
            assert result.moved
            assert result.holder is None


def random_definitions(chance: random.Random, now: datetime) -> list[dict[str, Any]]:
    if chance.random() < 0.2:
        return []
    until = format_instant(now + timedelta(minutes=chance.choice([-60, 3, 90, 3000])))
    return [
        raw_task(
            cron=chance.choice(["*/7 * * * *", "* * * * *", "0 * * * *", "H H/2 * * *"]),
            catch_up=chance.choice(["latest", "all", "none"]),
            enabled=chance.random() < 0.8,
            paused_until=chance.choice([None, None, "forever", until]),
        )
    ]


def covered(store: LocalStore) -> list[datetime]:
    fires = [run.due_at for run in store.runs.history(TASK, limit=100_000)]
    with store._database.read() as connection:
        versions = connection.execute("SELECT * FROM schedules ORDER BY revision").fetchall()
    for gap in store.runs.gaps(TASK, limit=100_000):
        at_that_time = [row for row in versions if row["from_minute"] <= epoch_minute(gap.first) < row["to_minute"]]
        ranges = [list(schedule_of(row).fires(gap.first, gap.last + MINUTE)) for row in at_that_time]
        fires += next(found for found in ranges if len(found) == gap.count and found[0] == gap.first)
    return fires


def expected_by_versions(home: Path) -> list[datetime]:
    with closing(sqlite3.connect(home / "scheduler.db")) as connection, connection:
        connection.row_factory = sqlite3.Row
        versions = connection.execute("SELECT * FROM schedules").fetchall()
    connection.close()
    spans = [(row, from_epoch_minute(row["from_minute"]), from_epoch_minute(row["to_minute"])) for row in versions]
    return [fire for row, start, end in spans if start < end for fire in schedule_of(row).fires(start, end)]


def schedule_of(version: sqlite3.Row) -> Schedule:
    return Schedule.parse(version["cron"], version["timezone"], task_id=version["task_id"])


class TestFiles:
    def test_only_the_owner_can_read_them(self, home: Path) -> None:
        old = os.umask(0)
        try:
            store = LocalStore(home)
            add(store, raw_task())
        finally:
            os.umask(old)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
        store.close()
        assert {"scheduler_tasks.json", "scheduler.db", "scheduler.lock"} <= modes.keys()
        assert set(modes.values()) == {0o600}

    def test_a_linked_file_stays_a_link(self, tmp_path: Path) -> None:
        home, elsewhere = tmp_path / "home", tmp_path / "dotfiles"
        home.mkdir()
        elsewhere.mkdir()
        (elsewhere / "tasks.json").write_text("[]")
        file_of(home).symlink_to(elsewhere / "tasks.json")
        store = LocalStore(home)
        add(store, raw_task())
        assert file_of(home).is_symlink()
        assert json.loads((elsewhere / "tasks.json").read_text())[0]["id"] == TASK
        assert not list(home.glob("*.tmp"))
        put(home, [raw_task(), raw_task("bbbb")], at("08:40"))
        assert refresh(store, "08:41:01") == []
        assert set(store.tasks.due(at("09:00"))) == {TASK, "bbbb"}
        store.close()

    def test_a_home_that_is_not_there_is_a_clear_error(self, tmp_path: Path) -> None:
        with pytest.raises(StoreError, match="WATCHBELL_HOME"):
            LocalStore(tmp_path / "nowhere")


class TestDatabase:
    def test_a_newer_schema_is_refused_and_left_as_it_is(self, home: Path) -> None:
        store = LocalStore(home)
        add(store, raw_task())
        store.close()
        database = home / "scheduler.db"
        with closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
        before = database.read_bytes()
        with pytest.raises(ConfigError, match=r"schema 99.*upgrade Watchbell") as caught:
            LocalStore(home)
        assert caught.value.exit_code == 3
        assert database.read_bytes() == before

    def test_a_lost_database_starts_at_now_and_does_not_fire_this_minute_again(self, home: Path) -> None:
        store = LocalStore(home)
        add(store, raw_task(cron="* * * * *"), raw_task("bbbb", catch_up="all"))
        claimed(store, at("09:00:02"))
        store.close()
        for path in home.glob("scheduler.db*"):
            path.unlink()
        store = LocalStore(home)
        assert refresh(store, "09:00:30") == []
        assert expectation(store).next_fire == at("09:01")
        assert expectation(store, "bbbb").next_fire == at("10:00")
        assert store.runs.gaps("bbbb", limit=5) == []
        store.close()

    @pytest.mark.parametrize("damage", ["junk", "header only", "torn pages", "cut off"])
    def test_a_damaged_database_is_a_store_error_with_advice_and_left_as_it_is(self, home: Path, damage: str) -> None:
        store = LocalStore(home)
        add(store, *(raw_task(f"t{number:03}") for number in range(200)))
        store.close()
        database = home / "scheduler.db"
        good = database.read_bytes()
        damaged = {
            "junk": b"this is no database, only a text\n" * 1000,
            "header only": good[:100] + b"\xff" * (len(good) - 100),
            "torn pages": good[:4096] + b"\xa5" * (len(good) - 4096),
            "cut off": good[: len(good) // 2],
        }[damage]
        database.write_bytes(damaged)
        with pytest.raises(StoreError, match="move the damaged file aside") as caught:
            self.use(home)
        assert caught.value.exit_code == 5
        assert database.read_bytes() == damaged

    def use(self, home: Path) -> None:
        store = LocalStore(home)
        try:
            add(store, raw_task("bbbb"))
            for number in range(200):
                expectation(store, f"t{number:03}")
            store.runs.history(TASK, limit=5)
        finally:
            store.close()

    def test_another_programs_database_is_not_taken_for_ours(self, home: Path) -> None:
        with closing(sqlite3.connect(home / "scheduler.db")) as connection, connection:
            connection.execute("CREATE TABLE tasks (theirs TEXT)")
        connection.close()
        with pytest.raises(StoreError, match="already exists"):
            LocalStore(home)


def mounted(path: Path, *options: str) -> None:
    subprocess.run(["mount", *options, str(path)], check=True, capture_output=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, small and ours: only root can make one."""
    path = tmp_path / "disk"
    path.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting needs root")
    try:
        mounted(path, "-t", "tmpfs", "-o", "size=12m", "tmpfs")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this sandbox mounts nothing: {error.stderr!r}")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


def fill(path: Path) -> Path:
    """Leave not one byte free."""
    ballast = path / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return ballast


def intent(part: int) -> PartState:
    return PartState(
        target="console:stdout", part=part, of=2000, outcome=None, error="x" * 500, intent_at=at("09:00:05")
    )


class TestFullDisk:
    def test_every_write_is_a_store_error_and_leaves_nothing_half_written(self, small_disk: Path) -> None:
        store = LocalStore(small_disk)
        add(store, raw_task(), raw_task("bbbb"))
        run = claimed(store, at("09:00:02"))
        file, ballast = file_of(small_disk).read_bytes(), fill(small_disk)
        expected, move = plan(store, at("09:00:05"), "bbbb")
        report = {"title": "".join(random.Random(1).choices("abcdefgh", k=300_000))}

        def claim_bbbb() -> ClaimResult:
            return store.runs.claim(expected, move, owner=new_owner(), lease_until=at("09:06"), now=at("09:00:05"))

        def write_intents() -> None:
            for number in range(2000):  # the log of the database has some pages in hand
                store.runs.write_intent(run, intent(number))

        writes: list[Callable[[], object]] = [
            lambda: add(store, raw_task("cccc", params={"text": "x" * 300_000}), now=at("09:00:05")),
            lambda: store.runs.save_report(run, report, verdict="OK", source_error=None),
            write_intents,
            claim_bbbb,
            lambda: store.runs.settle(run, Settlement(status=Status.SUCCESS), now=at("09:00:09")),
        ]
        for write in writes:
            with pytest.raises(StoreError, match="free some space") as caught:
                write()
            assert caught.value.exit_code == 5
        assert file_of(small_disk).read_bytes() == file
        assert not list(small_disk.glob("*.tmp"))
        assert store.runs.saved_report(TASK, run.fire_time) is None
        found = store.runs.find(TASK, run.fire_time)
        assert found is not None
        assert found.status is Status.RUNNING
        assert found.parts == tuple(intent(number) for number in range(len(found.parts)))
        assert store.runs.history("bbbb", limit=5) == []
        assert expectation(store, "bbbb").next_fire == at("09:00")

        ballast.unlink()
        for write in writes:
            write()
        assert [run.status for run in store.runs.history("bbbb", limit=5)] == [Status.RUNNING]
        assert expectation(store, "cccc").next_fire == at("10:00")
        assert store.runs.saved_report(TASK, run.fire_time) == report
        store.close()

    def test_a_home_on_a_full_disk_opens_again_after_space_was_freed(self, small_disk: Path) -> None:
        ballast = fill(small_disk)
        with pytest.raises(StoreError, match="free some space"):
            LocalStore(small_disk)
        ballast.unlink()
        store = LocalStore(small_disk)
        add(store, raw_task())
        assert store.tasks.due(at("09:00")) == [TASK]
        store.close()

    def test_a_file_that_was_changed_while_its_index_could_not_be_says_so_and_is_indexed_later(
        self, home: Path
    ) -> None:
        """The limit on the size of files stands for a disk that fills up between the two writes."""
        answer = Process(change_without_room_for_the_index, str(home)).answer()
        assert answer.startswith(f"the change is saved in {file_of(home)}, the next tick indexes it; ")
        store = LocalStore(home)
        assert [task.id for task in store.tasks.listing().tasks] == [TASK]
        os.utime(file_of(home), (epoch_seconds(at("08:35")),) * 2)
        assert refresh(store, "08:40:01") == []
        assert store.tasks.due(at("09:00")) == [TASK]
        store.close()


def change_without_room_for_the_index(home: str) -> str:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    store = LocalStore(Path(home))
    log = (Path(home) / "scheduler.db-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (log, resource.RLIM_INFINITY))
    with pytest.raises(StoreError) as caught:
        add(store, raw_task())
    return str(caught.value)


class TestReadOnlyHome:
    def test_opening_and_writing_are_store_errors_with_advice(self, small_disk: Path) -> None:
        store = LocalStore(small_disk)
        add(store, raw_task())
        store.close()
        before = {path.name: path.read_bytes() for path in small_disk.iterdir()}
        mounted(small_disk, "-o", "remount,ro")
        with pytest.raises(StoreError, match=r"(?i)read-only.*WATCHBELL_HOME") as caught:
            LocalStore(small_disk)
        assert caught.value.exit_code == 5
        assert {path.name: path.read_bytes() for path in small_disk.iterdir()} == before

    @pytest.mark.parametrize(("mode", "why"), [(0o755, "must be a folder"), (0o700, "denied")])
    def test_another_users_home_is_a_store_error(self, mode: int, why: str) -> None:
        if os.geteuid() != 0:
            pytest.skip("becoming another user needs root")
        with tempfile.TemporaryDirectory() as theirs:
            home = Path(theirs) / "home"
            home.mkdir()
            Path(theirs).chmod(mode)
            assert why in Process(open_as_nobody, str(home)).answer()
            assert list(home.iterdir()) == []


def open_as_nobody(home: str) -> str:
    os.setuid(65534)
    with pytest.raises(StoreError) as caught:
        LocalStore(Path(home))
    return str(caught.value)
