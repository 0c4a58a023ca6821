"""What doctor concludes from mounts, versions, zone folders and ticks; and which exit code stands for all of it."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from watchbell.checkup.checks import Check, Level, ok, overall, problem, warning
from watchbell.checkup.home import file_system, kind_of
from watchbell.checkup.store_health import check_sqlite
from watchbell.checkup.times import check_against_servers, check_clock, check_zone_data, lost_minutes
from watchbell.stores.interface import TickRecord
from watchbell.stores.local.faults import how_to_open

NOW = datetime(2026, 11, 22, 9, 0, 30, tzinfo=UTC)
MOUNTS = """\
overlay / overlay rw 0 0
/dev/sda1 /home ext4 rw 0 0
filer:/vol /home/shared\\040disk nfs4 rw 0 0
//nas/x /home/shared cifs rw 0 0
tmpfs /run tmpfs rw 0 0
me@host: /home/ssh fuse.sshfs rw 0 0
b /home/bind fuse.bindfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/watchbell", "overlay"),
        ("/home/me", "ext4"),
        ("/home/shared disk/watchbell", "nfs4"),
        ("/home/shared", "cifs"),
        ("/home/shared2", "ext4"),
        ("/run/watchbell", "tmpfs"),
    ],
)
def test_the_longest_mount_point_above_a_path_counts(path: str, kind: str) -> None:
    assert kind_of(path, MOUNTS) == kind


@pytest.mark.parametrize(
    ("path", "level"),
    [
        ("/home/shared disk/w", Level.PROBLEM),
        ("/home/shared/w", Level.PROBLEM),
        ("/home/ssh/w", Level.PROBLEM),
        ("/home/bind/w", Level.WARNING),
        ("/srv/w", Level.WARNING),
        ("/home/w", Level.OK),
    ],
)
def test_network_file_systems_are_a_problem_and_passing_ones_a_warning(path: str, level: Level) -> None:
    found = file_system(Path(path), MOUNTS)
    assert found.level is level
    assert (found.exit_code == 5) == (level is Level.PROBLEM)


def test_files_of_ones_own_need_another_mode_and_those_of_somebody_else_another_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / "a", tmp_path / "b c"]
    for file in files:
        file.touch()
    assert how_to_open(files) == f"chmod u+rw {files[0]} '{files[1]}'"
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert how_to_open(files) == f"run watchbell as the owner of {tmp_path} (user id {owner})"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_somebody_else_in_ones_own_folder_is_to_be_given_to_the_owner_of_the_folder(tmp_path: Path) -> None:
    mine, stray = tmp_path / "a", tmp_path / "b"
    mine.touch()
    stray.touch()
    os.chown(stray, 10001, 10001)
    assert how_to_open([mine, stray]) == f"chmod u+rw {mine}; run watchbell as one user only: chown 0 {stray}"


def test_without_mounts_nothing_is_claimed() -> None:
    assert "not known" in file_system(Path("/x"), "").detail


@pytest.mark.parametrize(
    ("version", "has_bug"), [("3.40.1", True), ("3.51.2", True), ("3.51.3", False), ("4.0", False)]
)
def test_the_sqlite_with_the_wal_reset_bug_is_named(version: str, has_bug: bool) -> None:
    assert ("WAL-reset bug" in check_sqlite(version).detail) == has_bug


def test_zone_data_is_named_and_old_data_is_a_warning(tmp_path: Path) -> None:
    package = check_zone_data(NOW, [str(tmp_path)])
    assert "tzdata package" in package.detail
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe" / "Berlin").write_bytes(b"TZif")
    (tmp_path / "tzdata.zi").write_text("# version 2024a\n")
    old = check_zone_data(NOW, [str(tmp_path)])
    assert (old.level, old.detail.split()[0]) == (Level.WARNING, "2024a")


def tick(seconds_ago: float, *, meant: float | None = None) -> TickRecord:
    at = NOW - timedelta(seconds=seconds_ago)
    minute = at if meant is None else NOW - timedelta(seconds=meant)
    return TickRecord(minute=minute.replace(second=0), ran_at=at, timer="cron", machine="m")


def test_lost_minutes_are_counted_once_and_the_current_one_is_not_over() -> None:
    assert lost_minutes([tick(60), tick(61), tick(120)], NOW) == (0, 0)
    assert lost_minutes([tick(600), tick(240), tick(60)], NOW) == (5 + 2, 5)


def test_a_minute_far_ahead_of_its_tick_is_a_warning() -> None:
    assert check_clock([tick(60, meant=-600)], NOW).level is Level.WARNING
    assert check_clock([tick(60, meant=7200)], NOW).level is Level.OK  # a late one, by hand


@pytest.mark.parametrize(("seconds", "levels"), [(5, []), (60, [Level.WARNING]), (-3600, [Level.PROBLEM])])
def test_the_closest_server_is_believed(seconds: int, levels: list[Level]) -> None:
    times = {"near": NOW + timedelta(seconds=seconds), "far": NOW + timedelta(days=9)}
    times["without a zone"] = datetime(2026, 1, 1)  # noqa: DTZ001
    assert [check.level for check in check_against_servers(times, NOW)] == levels


def test_the_exit_code_is_that_of_the_worst_problem_in_the_order_of_ticks() -> None:
    found: list[Check] = [ok("a", ""), warning("b", "", "do")]
    assert overall(found) == (Level.WARNING, 0)
    found += [problem("c", "", "do", 7), problem("d", "", "do", 4), problem("e", "", "do", 5)]
    assert overall(found) == (Level.PROBLEM, 5)
