"""No report from elsewhere is OK by its own word."""

import json
import time

import pytest

from fakes.watching import END, WINDOW, Watching, episode, request
from watchbell.errors import SourceError
from watchbell.reports.codec import report_to_json
from watchbell.reports.interface import CoverageStatus, Verdict
from watchbell.reports.pipeline import BuiltinPipeline
from watchbell.reports.pipelines.exchange import question, report_of
from watchbell.reports.pipelines.vouching import own_account
from watchbell.tasks import Kind

PROOF = [{"source": "traces", "status": "ok", "detail": "all spans", "required": True}]
SOURCES = {
    "none": None,
    "quiet": Watching(),
    "fired": Watching(episode()),
    "urgent": Watching(episode(minutes=None, severity="critical")),
    "unproven": Watching(status=CoverageStatus.UNPROVEN),
    "failed": Watching(status=CoverageStatus.FAILED),
}


def own(name):
    source = SOURCES[name]
    return own_account(BuiltinPipeline([source]).material(request())) if source else None


def of_text(text, sources):
    return report_of(text, request(), own(sources), name="opensre", is_json=False)


def of_json(answer, sources="none"):
    return report_of(json.dumps(answer), request(), own(sources), name="opensre", is_json=True)


@pytest.mark.parametrize(
    ("sources", "verdict", "reason"),
    [
        ("none", Verdict.UNKNOWN, "written by opensre; no source of ours vouches for it"),
        ("quiet", Verdict.ATTENTION, "read the text by opensre, which nobody judged; no alert fired"),
        ("fired", Verdict.ATTENTION, "1 alert fired, none fires now; the text below is by opensre"),
        ("urgent", Verdict.DEGRADED, "1 alert firing, 1 of them urgent; the text below is by opensre"),
        ("unproven", Verdict.UNKNOWN, "prometheus: it is unproven; the text below is by opensre"),
        ("failed", Verdict.UNKNOWN, "prometheus: it is failed; the text below is by opensre"),
    ],
)
def test_a_text_has_the_verdict_of_our_own_sources_and_is_never_ok(sources, verdict, reason):
    report = of_text("# All clear\nVerdict: OK", sources)
    assert (report.verdict, report.reason) == (verdict, reason)
    assert report.sections[0].title == "All clear"


def test_a_text_comes_below_the_coverage_and_the_figures_of_our_own_sources():
    report = of_text("all fine", "urgent")
    assert [one.source for one in report.coverage] == ["prometheus"]
    assert {one.name: one.value for one in report.numbers} == {"new": 1, "resolved": 0, "still firing": 1}
    assert len(report.still_firing) == 1
    assert report.title == "Daily summary: prod"


def test_an_unproven_figure_is_no_data():
    assert {one.value for one in of_text("all fine", "failed").numbers} == {None}


@pytest.mark.parametrize(
    ("coverage", "sources", "verdict"),
    [
        ([], "none", Verdict.UNKNOWN),
        ([], "quiet", Verdict.UNKNOWN),
        ([PROOF[0] | {"status": "unproven"}], "quiet", Verdict.UNKNOWN),
        ([PROOF[0] | {"status": "failed"}, *PROOF], "quiet", Verdict.UNKNOWN),
        ([PROOF[0] | {"required": False}], "quiet", Verdict.UNKNOWN),
        (PROOF, "none", Verdict.OK),
        (PROOF, "quiet", Verdict.OK),
        (PROOF, "fired", Verdict.ATTENTION),
        (PROOF, "urgent", Verdict.DEGRADED),
        (PROOF, "unproven", Verdict.UNKNOWN),
        (PROOF, "failed", Verdict.UNKNOWN),
    ],
)
def test_a_claimed_ok_needs_its_own_proof_and_ours(coverage, sources, verdict):
    assert of_json({"verdict": "OK", "reason": "fine", "coverage": coverage}, sources).verdict is verdict


def test_a_claimed_ok_that_lists_firing_alerts_is_not_believed():
    report = of_json({"verdict": "OK", "coverage": PROOF, "still_firing": ["HighErrorRate"]})
    assert (report.verdict, report.reason) == (
        Verdict.UNKNOWN,
        "opensre says OK while alerts still fire in its own report",
    )


@pytest.mark.parametrize(
    ("name", "value", "doubt"),
    [
        ("still firing", 5, "while its own report has still firing 5"),
        ("Still_Firing", 1, "while its own report has Still_Firing 1"),
        ("still firing", None, "while its own report has still firing no data"),
        ("failing", 2, "while its own report has failing 2"),
        ("thresholds crossed", 1, "while its own report has thresholds crossed 1"),
        ("unknown", 3, "while its own report has unknown 3"),
        ("still firing", 0, None),
        ("slow endpoints", 4, None),
        ("slow endpoints", None, None),
    ],
)
def test_a_claimed_ok_beside_a_number_that_says_otherwise_is_not_believed(name, value, doubt):
    numbers = [{"name": "new", "value": 0}, {"name": name, "value": value}]
    report = of_json({"verdict": "OK", "reason": "fine", "coverage": PROOF, "numbers": numbers}, "quiet")
    told = (Verdict.UNKNOWN, f"opensre says OK {doubt}") if doubt else (Verdict.OK, "fine")
    assert (report.verdict, report.reason) == told


def test_a_claimed_ok_that_tells_of_a_failed_source_is_not_believed():
    report = of_json({"verdict": "OK", "coverage": PROOF, "source_error": "traces: timed out"}, "quiet")
    assert (report.verdict, report.reason) == (Verdict.UNKNOWN, "opensre says OK and tells of a source that failed")


@pytest.mark.parametrize("claimed", [Verdict.ATTENTION, Verdict.DEGRADED, Verdict.UNKNOWN])
def test_a_claim_that_is_no_all_clear_needs_no_proof(claimed):
    assert of_json({"verdict": claimed, "reason": "p99 is up"}, "quiet").reason == "p99 is up"


def test_coverage_tells_whose_it_is():
    report = of_json({"verdict": "OK", "coverage": PROOF}, "quiet")
    assert [one.source for one in report.coverage] == ["prometheus", "opensre: traces"]


def test_our_own_report_json_is_understood():
    report = BuiltinPipeline([Watching(episode())]).build(request())
    again = of_json(report_to_json(report))
    assert (again.sections, again.numbers, again.alerts) == (report.sections, report.numbers, report.alerts)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"verdict": "FINE"}, "verdict must be one of OK, ATTENTION, DEGRADED, UNKNOWN"),
        ({"verdict": None}, "verdict must be one of"),
        ({"sections": [{"title": "a", "lines": "abc"}]}, "sections[0].lines must be a list"),
        ({"sections": [{"lines": []}]}, "sections[0].title is missing"),
        ({"sections": [{"title": "a", "lines": [3]}]}, "sections[0].lines[0] must be a text, not 3"),
        ({"numbers": [{"name": "x", "value": True}]}, "numbers[0].value must be a number, not true"),
        ({"numbers": [{"name": "x", "value": 10**400}]}, "numbers[0].value is too large"),
        ({"coverage": [{"source": "x", "status": "ok", "detail": "", "required": "yes"}]}, "required must be true or"),
        ({"window": {"start": "yesterday", "end": "2026-11-22T09:00Z", "timezone": "UTC"}}, "'yesterday' is not an"),
        ({"window": {"start": "2026-11-20T09:00Z", "end": "2026-11-22T09:00Z", "timezone": "UTC"}}, "not for what was"),
        ({"kind": "weekly_audit"}, "answered for weekly_audit over"),
        ({"title": {"a": 1}}, "title must be a text"),
    ],
)
def test_json_that_is_no_report_is_refused_with_its_place(change, complaint):
    with pytest.raises(SourceError) as raised:
        of_json({"verdict": "ATTENTION"} | change)
    assert complaint in str(raised.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"verdict": "OK", "numbers": [{"name": "x", "value": NaN}]}', "[" * 100_000]
)
def test_broken_json_is_an_error_and_no_report(text):
    with pytest.raises(SourceError, match="answered"):
        report_of(text, request(), None, name="x", is_json=True)


@pytest.mark.parametrize("text", ["", "\n", "# \n", "# Only a heading"])
def test_a_text_without_words_is_an_error_and_no_report(text):
    with pytest.raises(SourceError, match="no text"):
        of_text(text, "quiet")


def test_a_text_that_no_chat_could_take_is_cut_and_says_so():
    report = of_text("# Long\n" + "word " * 100_000, "quiet")
    assert sum(len(line) for section in report.sections[:-1] for line in section.lines) < 200_000
    assert report.sections[-1].lines == ("… and 300,007 more characters left out",)


def test_a_table_of_very_many_cells_takes_little_time_and_memory():
    table = "|a" * 40_000 + "|\n" + "|-" * 40_000 + "|\n" + "x\n" * 400_000
    begun = time.monotonic()
    assert of_text(table, "quiet").sections
    assert time.monotonic() - begun < 15


def test_coverage_without_end_is_refused():
    with pytest.raises(SourceError, match="more than 100 entries of coverage"):
        of_json({"verdict": "OK", "coverage": [{**PROOF[0], "source": f"s{n}"} for n in range(101)]})


def test_secrets_in_an_answer_are_masked():
    assert "hunter22" not in str(of_text("password=hunter22 leaked", "quiet"))
    assert "hunter22" not in str(of_json({"verdict": "ATTENTION", "reason": "password=hunter22 leaked"}))


def test_the_question_tells_what_is_asked_and_what_we_found_and_no_credential():
    asked = request(Kind.CUSTOM_INVESTIGATION, prompt="why?", nested={"api_key": "s3cret", "team": "shop"})
    said = json.loads(question(asked, own("fired")))
    findings = said.pop("findings")
    assert said == {
        "version": 1,
        "task": {"id": "0123456789ab", "name": "prod"},
        "kind": "custom_investigation",
        "window": {"start": "2026-11-21T09:00Z", "end": "2026-11-22T09:00Z", "timezone": "UTC"},
        "params": {"prompt": "why?", "nested": {"team": "shop"}},
    }
    assert (findings["verdict"], findings["alerts"][0]["firings"]) == ("ATTENTION", 1)
    assert WINDOW.end == END
