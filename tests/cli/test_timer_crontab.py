"""The text of a crontab: our line comes and goes, and nothing else changes by a byte."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watchbell.errors import UsageError
from watchbell_cli.timer_crontab import has_line, home_setting, make_line, other_homes, with_line, without_line
from watchbell_cli.timer_units import SERVICE, Unit, service_text

Run = Callable[..., Any]
HOME = "/home/ana/.config/watchbell"
LINE = make_line(("/usr/bin/watchbell",), {}, HOME)
CRONTABS = {
    "none": b"",
    "comments": b"# m h  dom mon dow   command\n\n   # indented\n",
    "settings": b'MAILTO="ops@example.com"\nSHELL=/bin/bash\nPATH=/usr/bin:/bin\n',
    "percent": b"0 5 * * 1 tar -zcf /var/backups/home_$(date +\\%F).tgz /home/%not escaped\n",
    "not utf-8": b"# caf\xe9\n* * * * * /bin/true\n",
    "carriage returns": b"# one\r\n* * * * * /bin/true\r\n",
    "other separators": "# a\x0bb\x0cc\x85d\u2028e\n".encode(),
    "other home": make_line(("/usr/bin/watchbell",), {"WATCHBELL_HOME": "/srv/b"}, "/srv/b") + b"\n",
    "other watchbell line": b"* * * * * watchbell tick # mine, by hand\n",
}


@pytest.mark.parametrize("before", CRONTABS.values(), ids=CRONTABS)
def test_after_install_and_remove_the_crontab_is_what_it_was(before: bytes) -> None:
    after = with_line(before, LINE, HOME)
    assert after == before + LINE + b"\n"
    assert has_line(after, HOME)
    assert without_line(after, HOME) == before


@pytest.mark.parametrize("before", CRONTABS.values(), ids=CRONTABS)
def test_a_second_install_changes_nothing(before: bytes) -> None:
    once = with_line(before, LINE, HOME)
    assert with_line(once, LINE, HOME) == once


@given(st.binary(max_size=80).filter(lambda text: b"# watchbell timer: " not in text))
def test_whatever_is_in_a_crontab_stays(before: bytes) -> None:
    after = with_line(before, LINE, HOME)
    assert after.startswith(before)
    assert without_line(after, HOME) in (before, before + b"\n")


def test_a_last_line_without_its_end_gets_one() -> None:
    assert with_line(b"* * * * * /bin/true", LINE, HOME) == b"* * * * * /bin/true\n" + LINE + b"\n"


def test_a_new_path_replaces_the_line_in_its_place_and_twins_go() -> None:
    newer = make_line(("/opt/watchbell/bin/watchbell",), {}, HOME)
    before = b"# a\n" + LINE + b"\n# b\n" + LINE + b"\n# c\n"
    assert with_line(before, newer, HOME) == b"# a\n" + newer + b"\n# b\n# c\n"


def test_a_line_that_was_commented_out_does_not_count_and_comes_back_with_install() -> None:
    before = b"#" + LINE + b"\n"
    assert not has_line(before, HOME)
    assert with_line(before, LINE, HOME) == LINE + b"\n"


def test_lines_of_other_homes_are_named_and_stay() -> None:
    other = make_line(("/usr/bin/watchbell",), {}, "/srv/100%")
    before = LINE + b"\n" + other + b"\n"
    assert other_homes(before, HOME) == ["/srv/100%"]
    assert without_line(before, HOME) == other + b"\n"


@pytest.mark.parametrize(
    ("crontab", "moves"),
    [(b"HOME=/srv\n", True), (b'  "XDG_CONFIG_HOME" = /x\n', True), (b"#HOME=/srv\n", False), (b"MAILTO=a\n", False)],
)
def test_a_crontab_that_moves_the_home_is_noticed(crontab: bytes, moves: bool) -> None:
    assert bool(home_setting(HOME, HOME, crontab)) is moves


@pytest.mark.parametrize("name", ["a b", "100%", "it's", 'say "hi"', "$HOME", "back\\slash", "back\\%", "日本", "#x"])
def test_the_shell_that_cron_starts_gets_any_home_as_it_is(tmp_path: Path, name: str) -> None:
    home = str(tmp_path / name)
    line = make_line(("/usr/bin/env", "printenv", "WATCHBELL_HOME"), {"WATCHBELL_HOME": home}, home)
    command = (
        as_cron_reads(line.decode().removeprefix("* * * * * ")).replace("  #", " | head -1  #").replace(" tick", "")
    )
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == home + "\n"


def as_cron_reads(command: str) -> str:
    """Debian's do_command.c: a backslash hides a % and goes away; an unhidden % ends the command."""
    read, escaped = "", False
    for character in command:
        if escaped and character != "%":
            read += "\\"
        if not escaped and character == "%":
            break
        escaped = character == "\\"
        read += "" if escaped else character
    return read


@pytest.mark.parametrize("home", ["/a\nb", "/a\rb", "/" + 1000 * "x"])
def test_a_home_that_no_crontab_can_hold_is_refused(home: str) -> None:
    with pytest.raises(UsageError, match="crontab line"):
        make_line(("/usr/bin/watchbell",), {"WATCHBELL_HOME": home}, home)


# The commands, with a `crontab` of the test's own.


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for crontab(1) on the PATH; its one file is returned."""
    folder, spool = tmp_path / "bin", tmp_path / "spool"
    folder.mkdir()
    program = folder / "crontab"
    program.write_text(
        "#!/bin/sh\n"
        f"spool={shlex.quote(str(spool))}\n"
        'case "$1" in\n'
        '-l) [ -e "$spool" ] && exec cat "$spool"; echo "no crontab for ana" >&2; exit 1;;\n'
        '-r) exec rm "$spool";;\n'
        '-) cat >"$spool.new"; grep -q REFUSE "$spool.new" && { echo bad minute >&2; exit 1; }\n'
        '   mv "$spool.new" "$spool";;\n'
        "esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return spool


@pytest.fixture
def made_home(home: Path) -> Path:
    home.mkdir()
    return home


def test_install_adds_one_line_says_so_and_remove_takes_it_back(watchbell: Run, spool: Path, made_home: Path) -> None:
    spool.write_bytes(CRONTABS["percent"])
    ended = watchbell("timer", "install", "--cron")
    added = spool.read_bytes().removeprefix(CRONTABS["percent"]).decode()
    assert (ended.code, ended.out) == (0, "")
    assert "watchbell timer status" in ended.err
    assert added.startswith(f"* * * * * WATCHBELL_HOME={made_home} /")
    assert added.endswith(f"/watchbell tick  # watchbell timer: {made_home}\n")
    again = watchbell("timer", "install", "--cron")
    assert "already" in again.err
    assert watchbell("timer", "remove", "--cron").code == 0
    assert spool.read_bytes() == CRONTABS["percent"]
    assert "has no line" in watchbell("timer", "remove", "--cron").err


def test_the_only_line_goes_away_with_its_crontab(watchbell: Run, spool: Path, made_home: Path) -> None:
    watchbell("timer", "install", "--cron")
    assert spool.exists()
    watchbell("timer", "remove", "--cron")
    assert not spool.exists()


def test_a_dry_run_prints_the_line_and_writes_nothing(watchbell: Run, spool: Path, made_home: Path) -> None:
    ended = watchbell("timer", "install", "--cron", "--dry-run")
    assert ended.out.startswith("* * * * * WATCHBELL_HOME=")
    assert not spool.exists()


def test_the_default_home_needs_no_setting_unless_the_crontab_moves_it() -> None:
    assert home_setting(HOME, HOME, b"MAILTO=ana\n") == {}
    assert home_setting(HOME, HOME, b"HOME=/srv\n") == {"WATCHBELL_HOME": HOME}
    assert home_setting("/srv/b", HOME, b"") == {"WATCHBELL_HOME": "/srv/b"}


def test_no_token_gets_into_the_crontab_and_the_command_says_where_it_belongs(
    watchbell: Run, spool: Path, made_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret-1234567890")
    monkeypatch.setenv("WATCHBELL_PROMETHEUS_URL", "http://user:hidden@prometheus")
    ended = watchbell("timer", "install", "--cron")
    assert b"secret" not in spool.read_bytes()
    assert b"hidden" not in spool.read_bytes()
    assert "SLACK_BOT_TOKEN, " in ended.err
    assert f"{made_home}/integrations.json" in ended.err
    assert "secret" not in ended.err


def test_a_refused_crontab_is_an_error_and_the_old_one_stays(watchbell: Run, spool: Path, made_home: Path) -> None:
    spool.write_bytes(b"# REFUSE\n")
    ended = watchbell("timer", "install", "--cron")
    assert (ended.code, "bad minute" in ended.err) == (3, True)
    assert spool.read_bytes() == b"# REFUSE\n"


def test_without_cron_or_a_home_one_line_says_what_to_do(
    watchbell: Run, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    homeless = watchbell("timer", "install", "--cron")
    home.mkdir()
    monkeypatch.setenv("PATH", str(tmp_path))
    cronless = watchbell("timer", "install", "--cron")
    assert (homeless.code, homeless.err.count("\n")) == (3, 1)
    assert (cronless.code, cronless.err.count("\n")) == (3, 1)
    assert "no crontab on this machine; use --systemd" in cronless.err


def test_which_timer_to_install_has_to_be_said(watchbell: Run, made_home: Path) -> None:
    assert watchbell("timer", "install").code == 2


@pytest.fixture
def users_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this user's units would be; nothing there."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    return tmp_path / "xdg" / "systemd" / "user"


def test_remove_takes_the_only_timer_that_is_installed(
    watchbell: Run, spool: Path, made_home: Path, users_units: Path
) -> None:
    spool.write_bytes(CRONTABS["percent"])
    watchbell("timer", "install", "--cron")
    assert watchbell("timer", "remove").code == 0
    assert spool.read_bytes() == CRONTABS["percent"]


def test_where_no_timer_is_installed_remove_names_the_choices(
    watchbell: Run, spool: Path, made_home: Path, users_units: Path
) -> None:
    """An error: what is to be done after it, such as an import elsewhere, must not begin."""
    ended = watchbell("timer", "remove")
    assert (ended.code, ended.err.count("\n")) == (2, 1)
    assert all(text in ended.err for text in (str(made_home), "--cron", "--systemd", "--user-systemd"))


def test_where_several_timers_are_installed_remove_names_them_and_takes_none(
    watchbell: Run, spool: Path, made_home: Path, users_units: Path
) -> None:
    watchbell("timer", "install", "--cron")
    users_units.mkdir(parents=True)
    unit = Unit(command=("/bin/true",), home=str(made_home), user=None)
    (users_units / SERVICE).write_text(service_text(unit))
    before = spool.read_bytes()
    ended = watchbell("timer", "remove")
    assert (ended.code, spool.read_bytes()) == (2, before)
    assert "--cron and --user-systemd" in ended.err
