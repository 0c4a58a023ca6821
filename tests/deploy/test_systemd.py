"""The systemd units: the files are what the command writes, systemd accepts them without a word, and they are tight."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from watchbell.errors import UsageError
from watchbell_cli import timer_hosts
from watchbell_cli.main import main
from watchbell_cli.timer_crontab import has_line, make_line
from watchbell_cli.timer_units import SERVICE, TIMER, Unit, service_text, timer_text

INFRA = Path(__file__).parents[2] / "infra"
#: Exposure in tenths, as `systemd-analyze security` counts; 13 in version 252.
THRESHOLD = 15
SYSTEM = Unit(command=("/opt/watchbell/bin/watchbell",), home="/var/lib/watchbell", user="watchbell")
UNITS = {
    "system": SYSTEM,
    "system, home of a person": Unit(command=("/bin/true",), home="/home/ana/my 100% watchbell", user="root"),
    "user": Unit(command=("/bin/true",), home="/home/ana/.config/watchbell", user=None),
    "strange names": Unit(
        command=("/bin/true", 'a "b" $c %d'), home='/srv/it\'s "x"', user="root", environ={"WATCHBELL_CONFIG": "/a b;#"}
    ),
}


def test_the_files_in_infra_are_what_the_command_writes() -> None:
    assert (INFRA / "systemd" / SERVICE).read_text() == service_text(SYSTEM)
    assert (INFRA / "systemd" / TIMER).read_text() == timer_text()
    home = "/home/ana/.config/watchbell"
    crontab = (INFRA / "crontab" / "watchbell").read_bytes()
    assert has_line(crontab, home)
    assert crontab.endswith(make_line(SYSTEM.command, {}, home) + b"\n")


@pytest.fixture(scope="module")
def analyze(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run systemd-analyze; it works without systemd as process 1."""
    program = shutil.which("systemd-analyze")
    if program is None and os.environ.get("CI") and shutil.which("apt-get"):
        pytest.fail("systemd-analyze is not installed; run infra/install-test-services")
    if program is None:
        pytest.skip("systemd-analyze is not installed")

    environ = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path_factory.mktemp("runtime"))}

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([program, *arguments], env=environ, capture_output=True, text=True, check=False)

    return run


def write(unit: Unit, folder: Path) -> tuple[str, str]:
    """Write the units with a command that is there."""
    text = service_text(unit).replace("/opt/watchbell/bin/watchbell", "/bin/true")
    (folder / SERVICE).write_text(text)
    (folder / TIMER).write_text(timer_text())
    return str(folder / SERVICE), str(folder / TIMER)


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)
def test_systemd_reads_the_units_without_a_word(
    analyze: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path: Path, unit: Unit
) -> None:
    manager = ["--user"] if unit.user is None else []
    done = analyze(*manager, "verify", "--man=no", *write(unit, tmp_path))
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


def test_a_wrong_key_would_be_seen(analyze: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path: Path) -> None:
    service, timer = write(SYSTEM, tmp_path)
    Path(service).write_text(Path(service).read_text().replace("ProtectClock=", "ProtectClocks="))
    assert "ProtectClocks" in analyze("verify", "--man=no", service, timer).stderr


@pytest.mark.parametrize("name", ["system", "system, home of a person"])
def test_the_service_is_hardened(
    analyze: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path: Path, name: str
) -> None:
    service, _ = write(UNITS[name], tmp_path)
    threshold = THRESHOLD if name == "system" else 2 * THRESHOLD  # as root, and homes readable
    done = analyze("security", "--offline=true", f"--threshold={threshold}", "--no-pager", service)
    assert done.returncode == 0, done.stdout[-300:]


def test_a_tick_keeps_what_it_needs_to_know_whether_another_one_lives() -> None:
    assert not re.search(r"^(ProcSubset|PrivateNetwork|DynamicUser)=", service_text(SYSTEM), re.MULTILINE)


def test_nothing_ends_a_tick_before_it_ends_itself() -> None:
    text = service_text(SYSTEM)
    longest_deadline, own_end, sends_in_flight = 900, 30, 25
    assert int(re.search(r"TimeoutStartSec=(\d+)", text)[1]) > longest_deadline + own_end  # type: ignore[index]
    assert int(re.search(r"TimeoutStopSec=(\d+)", text)[1]) > sends_in_flight  # type: ignore[index]
    assert "Restart=no" in text


def test_the_timer_is_exact_and_catches_up() -> None:
    lines = timer_text().splitlines()
    assert {"OnCalendar=minutely", "AccuracySec=1s", "RandomizedDelaySec=0", "Persistent=yes"} <= set(lines)


@pytest.mark.parametrize(
    ("home", "line"),
    [
        ("/var/lib/watchbell", "StateDirectory=watchbell"),
        ("/srv/a b%", 'ReadWritePaths="/srv/a b%%"'),
        ("/home/ana/w", "ProtectHome=read-only"),
        ("/srv/w", "ProtectHome=yes"),
        ("/tmp/w", "PrivateTmp=no"),
    ],
)
def test_the_home_is_the_only_place_that_a_tick_may_write(home: str, line: str) -> None:
    text = service_text(Unit(command=("/usr/bin/watchbell",), home=home, user="watchbell"))
    assert {line, "ProtectSystem=strict"} <= set(text.splitlines())


def test_a_line_break_in_a_path_is_refused() -> None:
    with pytest.raises(UsageError, match="line break"):
        service_text(Unit(command=("/bin/true",), home="/a\nExecStart=/bin/sh", user=None))


# The commands, with a `systemctl` of the test's own.


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for systemctl that writes down how it is called; the file is returned."""
    calls, folder, home = tmp_path / "calls", tmp_path / "bin", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    program = folder / "systemctl"
    program.write_text(
        f'#!/bin/sh\necho "$*" >>{shlex.quote(str(calls))}\n[ "$2" = is-system-running ] && echo running; exit 0\n'
    )
    program.chmod(0o755)
    for name in ("SLACK_BOT_TOKEN", "WATCHBELL_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setenv("WATCHBELL_HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return calls


def watchbell(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    return tmp_path / "config" / "systemd" / "user"


def test_install_writes_and_starts_the_users_units_and_remove_takes_them_back(
    manager: Path, units: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert watchbell("timer", "install", "--user-systemd") == 0
    assert sorted(path.name for path in units.iterdir()) == [SERVICE, TIMER]
    assert manager.read_text().splitlines()[1:] == ["--user daemon-reload", f"--user enable --now {TIMER}"]
    assert "enable-linger" in capsys.readouterr().err
    assert timer_hosts.installed(os.environ["WATCHBELL_HOME"]) == ["user-systemd"]
    assert watchbell("timer", "install", "--user-systemd") == 0
    assert watchbell("timer", "remove", "--user-systemd") == 0
    assert list(units.iterdir()) == []
    assert manager.read_text().splitlines()[-2:] == [f"--user disable --now {TIMER}", "--user daemon-reload"]
    assert watchbell("timer", "remove", "--user-systemd") == 0


def test_units_of_somebody_else_are_never_touched(
    manager: Path, units: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    units.mkdir(parents=True)
    (units / SERVICE).write_text("[Service]\nExecStart=/bin/true\n")
    for command in ("install", "remove"):
        assert watchbell("timer", command, "--user-systemd") == 3
        assert "was not made by" in capsys.readouterr().err
    assert (units / SERVICE).read_text() == "[Service]\nExecStart=/bin/true\n"


def test_units_for_another_home_are_not_replaced(
    manager: Path, tmp_path: Path, units: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    watchbell("timer", "install", "--user-systemd")
    before = (units / SERVICE).read_text()
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("WATCHBELL_HOME", str(tmp_path / "other"))
    assert watchbell("timer", "install", "--user-systemd") == 2
    assert "another home" in capsys.readouterr().err
    assert watchbell("timer", "remove", "--user-systemd") == 0
    assert (units / SERVICE).read_text() == before


def test_a_token_in_the_environment_is_not_copied(
    manager: Path, units: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret-1234567890")
    watchbell("timer", "install", "--user-systemd")
    assert "secret" not in (units / SERVICE).read_text()
    said = capsys.readouterr().err
    assert "SLACK_BOT_TOKEN" in said
    assert f"{os.environ['WATCHBELL_HOME']}/environment" in said


def test_a_folder_that_the_account_may_not_enter_is_found(tmp_path: Path) -> None:
    program = tmp_path / "venv" / "bin" / "watchbell"
    program.parent.mkdir(parents=True)
    owner, group = os.stat(tmp_path).st_uid, os.stat(tmp_path).st_gid
    assert timer_hosts.closed_folder([program], owner, group) is None
    (tmp_path / "venv").chmod(0o677)
    assert timer_hosts.closed_folder([program], owner, group) == tmp_path / "venv"
    assert timer_hosts.unreachable("root") is None


def test_where_no_systemd_runs_one_line_says_so_and_a_dry_run_still_shows_the_units(
    tmp_path: Path, manager: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert watchbell("timer", "install", "--user-systemd") == 3
    assert capsys.readouterr().err.splitlines()[0] == (
        "watchbell: error: there is no systemctl on this machine; use --cron, or run `watchbell cron start`"
    )
    assert watchbell("timer", "install", "--systemd", "--dry-run") == 0
    shown = capsys.readouterr().out
    assert "# /etc/systemd/system/watchbell.service\n" in shown
    assert f"WATCHBELL_HOME={tmp_path / 'home'}" in shown
