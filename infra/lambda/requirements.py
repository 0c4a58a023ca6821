"""Write handler/requirements.txt, which `sam build` reads: pyproject.toml less what the handler does not use.

python infra/lambda/requirements.py          writes it
python infra/lambda/requirements.py --check  exits with 1 if it is not as this would write it
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "handler" / "requirements.txt"
#: Only the command line imports these.
COMMAND_LINE = {"click", "prompt_toolkit", "pyyaml"}
HEAD = "# Written by infra/lambda/requirements.py from pyproject.toml; `make bundle` writes it anew.\n"


def content() -> str:
    """Return what the file should be."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["aws"]]
    kept = sorted(one for one in wanted if name_of(one) not in COMMAND_LINE)
    return HEAD + "".join(f"{one}\n" for one in kept)


def name_of(requirement: str) -> str:
    """Return the name of a distribution, without its versions."""
    return re.split(r"[^A-Za-z0-9_.-]", requirement)[0]


if __name__ == "__main__":
    if "--check" in sys.argv[1:]:
        sys.exit(not FILE.exists() or FILE.read_text() != content())
    FILE.write_text(content())
