"""A report by a program on this machine: the request as JSON on its standard input, the answer on its standard output.

An answer that begins with `{` is a report in JSON, any other one is Markdown. The program runs without a shell, in a
process group of its own that ends with it, and with an environment of a few harmless variables.
"""

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from watchbell.clock import Clock
from watchbell.errors import SourceError
from watchbell.reports.interface import Report, ReportRequest
from watchbell.reports.pipelines.exchange import MOST_BYTES, Account, blamed, question, report_of
from watchbell.secrets.redaction import is_credential_key, redact, remember_secret

#: What a program is given of our environment besides what its configuration names.
HARMLESS = ("PATH", "HOME", "LANG", "TZ")
_STDERR_TAIL = 400
_TERMINATE_SECONDS = 2.0
#: How long what a program has left running may hold its output open.
_LINGER_SECONDS = 1.0


class CommandPipeline:
    """Runs one program for each report."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        name: str,
        account: Account,
        environ: Mapping[str, str],
        clock: Clock,
        folder: Path | None = None,
        timeout_seconds: float = 120,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """`environ` is all that the program gets; relative paths in `command` are meant from `folder`."""
        self._command = list(command)
        self._name = name
        self._account = account
        self._environ = dict(environ)
        for variable in filter(is_credential_key, environ):
            remember_secret(environ[variable])  # the program may complain of it
        self._clock = clock
        self._folder = folder if folder is not None and folder.is_dir() else None
        self._timeout_seconds = timeout_seconds
        self._most_bytes = most_bytes

    def build(self, request: ReportRequest) -> Report:
        """Run the program and read its answer; raises Unbuilt when it fails in any way."""
        own = self._account(request)
        with blamed(self._name, own):
            try:
                answer = self._run(question(request, own)).decode(errors="replace")
                return report_of(answer, request, own, name=self._name, is_json=answer.lstrip().startswith("{"))
            except SourceError as error:
                raise SourceError(f"{shlex.quote(self._command[0])} {error}") from None

    def _run(self, asked: bytes) -> bytes:
        process = self._start()
        try:
            return self._answer(process, asked)
        finally:
            _end_group(process)

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603  the operator's own configuration, and no shell
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._folder,
                env=self._environ,
                start_new_session=True,
            )
        except FileNotFoundError:
            where = f"PATH {self._environ.get('PATH', '')}" if "/" not in self._command[0] else str(self._folder)
            raise SourceError(f"cannot be started: it is not in {where}; write its full path") from None
        except (OSError, ValueError) as error:
            raise SourceError(f"cannot be started: {getattr(error, 'strerror', None) or error}") from None

    def _answer(self, process: subprocess.Popen[bytes], asked: bytes) -> bytes:
        output, complaints = _Drain(process.stdout, self._most_bytes), _Drain(process.stderr)
        threading.Thread(target=_write, args=(process.stdin, asked), daemon=True).start()
        until = self._clock.monotonic() + self._timeout_seconds
        while process.poll() is None and not output.overflowed:
            if self._clock.monotonic() >= until:
                raise SourceError(f"did not end within {self._timeout_seconds:g} s{complaints.tail()}")
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        if not output.overflowed:
            output.join(_LINGER_SECONDS)
            complaints.join(0.1)
        if output.overflowed:
            raise SourceError(f"wrote more than {self._most_bytes // 1024} KiB")
        if process.returncode:
            raise SourceError(f"{_ending(process.returncode)}{complaints.tail()}")
        return output.content()


class _Drain:
    """Reads a stream to its end in a thread of its own, keeping the beginning (or without a limit, the end) of it."""

    def __init__(self, stream: IO[bytes] | None, limit: int | None = None) -> None:
        assert stream is not None
        self._stream = stream
        self._limit = limit
        self._kept = bytearray()
        self._ended = threading.Event()
        self.overflowed = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with self._stream, suppress(OSError):
            while chunk := os.read(self._stream.fileno(), 65536):
                self._kept += chunk
                if self._limit is None:
                    del self._kept[: -4 * _STDERR_TAIL]
                elif len(self._kept) > self._limit:
                    self.overflowed = True
                    break
        self._ended.set()

    def join(self, seconds: float) -> None:
        """Wait for the end of the stream, which what the program left running may hold open."""
        self._ended.wait(seconds)

    def content(self) -> bytes:
        return bytes(self._kept)

    def tail(self) -> str:
        """Return what was complained of last, on one line and without secrets."""
        text = redact(" ".join(self._kept.decode(errors="replace").split()))
        return f": {'…' if len(text) > _STDERR_TAIL else ''}{text[-_STDERR_TAIL:]}" if text else ""


def _write(stream: IO[bytes] | None, asked: bytes) -> None:
    assert stream is not None
    with suppress(OSError, ValueError):  # a program need not read what it is told
        stream.write(asked)
        stream.flush()
    with suppress(OSError, ValueError):
        stream.close()


def _ending(code: int) -> str:
    if code > 0:
        return f"ended with exit code {code}"
    return f"was ended by signal {signal.Signals(-code).name if -code in signal.valid_signals() else -code}"


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the program and all that it has started; whoever does not go when asked is killed."""
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TERMINATE_SECONDS)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
