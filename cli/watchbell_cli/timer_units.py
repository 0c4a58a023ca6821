"""The texts of the systemd units; pure. `infra/systemd/` holds the same for a host of its own, kept equal by a test."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from watchbell.errors import UsageError

MADE_BY = "# Made by `watchbell timer install`."
SERVICE = "watchbell.service"
TIMER = "watchbell.timer"
_STATE = PurePosixPath("/var/lib")
_PRIVATE = ("/home/", "/root/", "/run/user/")
_TEMPORARY = ("/tmp/", "/var/tmp/")  # noqa: S108  homes of a trial

_SERVICE = """\
{made_by} What is yours belongs in a drop-in: systemctl {user_option}edit {service}
[Unit]
Description=Watchbell: one tick, the work of one minute
{network}
[Service]
Type=oneshot
ExecStart={command} tick
{account}{environ}
# Tokens and addresses that are not in the home: lines NAME=value, mode 0600.
EnvironmentFile=-{environment_file}
{home}
# A tick ends itself 30 s after its deadline (at most 15 minutes), and when asked to stop finishes sends within 25 s.
# The next minute is the next try: nothing is restarted.
TimeoutStartSec=1000
TimeoutStopSec=40
KillMode=mixed
Restart=no

# A tick reads monitoring systems, writes its home and calls chat APIs; it may do nothing else.
NoNewPrivileges=yes
UMask=0077
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
{sandbox}"""

_SANDBOX = """\
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome={protect_home}
PrivateTmp={private_tmp}
PrivateDevices=yes
PrivateUsers=yes
PrivateIPC=yes
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RemoveIPC=yes
DevicePolicy=closed
# Not ProcSubset=pid: it hides the boot id, by which ticks tell whether another tick is still alive.
"""

_TIMER = """\
{made_by}
[Unit]
Description=Watchbell: a tick each minute

[Timer]
OnCalendar=minutely
# The default accuracy of one minute would let ticks drift and merge.
AccuracySec=1s
RandomizedDelaySec=0
# After a time without power one tick comes at once; it finds by itself what was missed.
Persistent=yes

[Install]
WantedBy=timers.target
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What a tick under systemd needs to know; `user` is None for the units of a user's own manager."""

    command: tuple[str, ...]
    home: str
    user: str | None
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment_file(self) -> str:
        """Where tokens may be put, beside the home's own files."""
        return f"{self.home}/environment" if self.user is None else "/etc/watchbell/environment"


def service_text(unit: Unit) -> str:
    """Return the service: one tick, with the rights that it needs."""
    network = "Wants=network-online.target\nAfter=network-online.target\n" if unit.user is not None else ""
    environ = {"WATCHBELL_TIMER": "systemd", **unit.environ}
    return _SERVICE.format(
        made_by=MADE_BY,
        user_option="--user " if unit.user is None else "",
        service=SERVICE,
        network=network,
        command=" ".join(_quoted(word, in_command=True) for word in unit.command),
        account=f"User={_plain(unit.user)}\n" if unit.user is not None else "",
        environ="\n".join([home_setting(unit.home), *(_setting(*pair) for pair in environ.items())]),
        environment_file=_plain(unit.environment_file),
        home=_home(unit),
        sandbox="" if unit.user is None else _sandbox(unit),
    )


def home_setting(home: str) -> str:
    """Return the line of a service by which it is known for which home it is."""
    return _setting("WATCHBELL_HOME", home)


def timer_text() -> str:
    """Return the timer: each minute, at its start."""
    return _TIMER.format(made_by=MADE_BY)


def _home(unit: Unit) -> str:
    """Return what makes the home writable, and nothing else."""
    if unit.user is None:
        return ""
    home = PurePosixPath(unit.home)
    if home.parent == _STATE:
        return f"StateDirectory={_plain(home.name)}\nStateDirectoryMode=0700\n"
    return f"ReadWritePaths={_quoted(unit.home)}\n"


def _sandbox(unit: Unit) -> str:
    used = (unit.home, unit.command[0], *unit.environ.values())
    return _SANDBOX.format(
        protect_home="read-only" if any(path.startswith(_PRIVATE) for path in used) else "yes",
        private_tmp="no" if any(path.startswith(_TEMPORARY) for path in used) else "yes",
    )


def _setting(name: str, value: str) -> str:
    return f"Environment={_quoted(f'{name}={value}')}"


def _quoted(text: str, *, in_command: bool = False) -> str:
    """Return a word as systemd reads it back: quotes, % and, in a command, $ have a meaning."""
    text = _plain(text).replace("\\", "\\\\").replace('"', '\\"')
    if in_command:
        text = text.replace("$", "$$")
    return f'"{text}"' if set(text) & set(" \t\"'\\;#") else text


def _plain(text: str) -> str:
    if not text.isprintable():
        raise UsageError(f"a unit file cannot hold a line break or a control character: {text!r}")
    return text.replace("%", "%%")
