"""Real processes for tests: a function of a test module runs in an interpreter of its own and answers in JSON."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent
_BOOT = """
import importlib, json, signal, sys
signal.alarm(100)  # outlives no failed test for long
module, name, arguments = sys.argv[1:]
print(json.dumps(getattr(importlib.import_module(module), name)(*json.loads(arguments))))
"""


class Process:
    """One process that runs `function(*arguments)`; the arguments and the answer are JSON."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        module = function.__module__.removeprefix("tests.")
        self._popen = subprocess.Popen(
            [sys.executable, "-c", _BOOT, module, function.__name__, json.dumps(arguments)],
            env=os.environ | {"PYTHONPATH": str(TESTS)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """Wait for the next line that the function prints."""
        assert self._popen.stdout is not None
        return self._popen.stdout.readline().strip()

    def go(self) -> None:
        """Let it pass its `line_up`."""
        assert self._popen.stdin is not None
        self._popen.stdin.write("go\n")
        self._popen.stdin.flush()

    def answer(self) -> Any:
        """Wait for the end; return what the function returned."""
        out, _ = self._popen.communicate(timeout=95)
        assert self._popen.returncode == 0, out
        return json.loads(out.splitlines()[-1])

    def kill(self) -> None:
        """End it as kill -9 does."""
        self._popen.kill()
        self.ended()

    def ended(self) -> int:
        """Wait until it has ended, by itself or not; return how."""
        self._popen.communicate(timeout=95)
        return self._popen.returncode


def line_up() -> None:
    """Called by the function: wait until every other process is as far as this one."""
    print("ready", flush=True)
    sys.stdin.readline()


def race(function: Callable[..., Any], contestants: list[tuple[Any, ...]]) -> list[Any]:
    """Run `function` once for each tuple of arguments, let go at the same moment; return the answers in order."""
    processes = [Process(function, *arguments) for arguments in contestants]
    for process in processes:
        assert process.line() == "ready"
    for process in processes:
        process.go()
    return [process.answer() for process in processes]
