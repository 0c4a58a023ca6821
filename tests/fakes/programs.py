"""The programs that tests marked `service(...)` run, and whether they are on this machine."""

import os
import shutil
from pathlib import Path

#: What a test may name in `service(...)`, and the program that must be there for it.
PROGRAMS = {
    "prometheus": "prometheus",
    "promtool": "promtool",
    "alertmanager": "prometheus-alertmanager",
    "blackbox": "prometheus-blackbox-exporter",
    "cron": "cron",
    "faketime": "faketime",
    "dynamodb-local": "java",
    "sam": "sam",
    "checkov": "checkov",
}
_SERVICES = Path(__file__).resolve().parents[2] / ".services"
#: What infra/install-dynamodb-local fetches; never part of the repository.
DYNAMODB_LOCAL = _SERVICES / "dynamodb-local"
#: What infra/install-aws-tools installs.
_AWS_TOOLS = _SERVICES / "aws-tools" / "bin"


def program(name: str) -> str | None:
    """Return the path of a service's program, or None where it is not installed."""
    if name == "dynamodb-local" and not (DYNAMODB_LOCAL / "DynamoDBLocal.jar").exists():
        return None
    return shutil.which(PROGRAMS[name], path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin:{_AWS_TOOLS}")
