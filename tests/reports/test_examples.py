"""The examples in the documentation are what the program makes."""

from pathlib import Path

import pytest

from reports.examples import example
from watchbell.tasks import Kind

DOCS = Path(__file__).parents[2] / "docs" / "reports.md"


@pytest.mark.parametrize(("kind", "days"), [(Kind.DAILY_SUMMARY, 1), (Kind.WEEKLY_AUDIT, 7)])
def test_the_documentation_shows_what_the_program_makes(kind, days):
    made = example(kind, days)
    assert f"```text\n{made}\n```" in DOCS.read_text(), f"docs/reports.md should show:\n{made}"
