"""The text of a user's crontab with and without our line; pure, and in bytes, for what is not ours stays as it is."""

import re
import shlex
from collections.abc import Mapping, Sequence

from watchbell.errors import UsageError

_MARK = "# watchbell timer: "
#: Settings above the line that would move the home of a tick.
_MOVES_HOME = re.compile(rb"^\s*[\"']?(HOME|XDG_CONFIG_HOME|WATCHBELL_HOME)[\"']?\s*=", re.MULTILINE)
#: Debian's cron reads no longer commands.
_LONGEST = 998


def home_setting(home: str, default: str, crontab: bytes) -> dict[str, str]:
    """Return what the line has to set for a tick to find `home`: nothing if it is the default there."""
    is_found = home == default and not _MOVES_HOME.search(crontab)
    return {} if is_found else {"WATCHBELL_HOME": home}


def make_line(command: Sequence[str], environ: Mapping[str, str], home: str) -> bytes:
    """Return the line that ticks on `home` each minute; raises UsageError for what no crontab can hold."""
    settings = [f"{name}={shlex.quote(value)}" for name, value in environ.items()]
    words = [*settings, *map(shlex.quote, command), "tick"]
    line = _escaped(f"{' '.join(words)}  {_MARK}{home}")
    if not line.isprintable():
        raise UsageError(f"a crontab line cannot hold a line break or a control character: {line!r}")
    if len(line.encode()) > _LONGEST:
        raise UsageError(f"the paths are too long for a crontab line ({len(line)} characters, at most {_LONGEST})")
    return b"* * * * * " + line.encode()


def with_line(crontab: bytes, line: bytes, home: str) -> bytes:
    """Return the crontab with `line` in the place of ours for this home, or at the end."""
    lines = _lines(crontab)
    ours = [number for number, old in enumerate(lines) if _is_ours(old, home)]
    if not ours:
        gap = b"\n" if crontab and not crontab.endswith(b"\n") else b""
        return crontab + gap + line + b"\n"
    kept = [old for number, old in enumerate(lines) if number not in ours[1:]]
    kept[ours[0]] = line + b"\n"
    return b"".join(kept)


def without_line(crontab: bytes, home: str) -> bytes:
    """Return the crontab without our line for this home."""
    return b"".join(line for line in _lines(crontab) if not _is_ours(line, home))


def has_line(crontab: bytes, home: str) -> bool:
    """Return whether our line for this home is there, and not commented out."""
    return any(_is_ours(line, home) and not line.lstrip().startswith(b"#") for line in _lines(crontab))


def other_homes(crontab: bytes, home: str) -> list[str]:
    """Return the homes of our other lines."""
    marked = [line.rstrip().rpartition(_MARK.encode()) for line in _lines(crontab)]
    return [
        rest.decode(errors="replace").replace("\\%", "%")
        for _, mark, rest in marked
        if mark and rest != _escaped(home).encode()
    ]


def _lines(crontab: bytes) -> list[bytes]:
    """Split at line feeds only: cron knows no other line ends."""
    return re.findall(rb"[^\n]*\n|[^\n]+", crontab)


def _is_ours(line: bytes, home: str) -> bool:
    return line.rstrip().endswith((_MARK + _escaped(home)).encode())


def _escaped(text: str) -> str:
    """Return text in which cron sees no line end: an unescaped % is one."""
    return text.replace("%", "\\%")
