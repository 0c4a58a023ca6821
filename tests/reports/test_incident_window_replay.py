"""The replay of a window: one list in the order of time, incidents by a stated rule, and no claimed cause."""

from datetime import timedelta

import pytest

from fakes.told import END, START, Told, build, episode, hour, lines, section, silence, titles
from watchbell.errors import SourceError
from watchbell.reports.analysis.incidents import incidents, usual
from watchbell.reports.interface import CoverageStatus, Event, Verdict, Window
from watchbell.reports.wording import MAKE_WHOLE
from watchbell.tasks import Kind

WINDOW = Window(start=START, end=END, timezone="UTC")
MINUTE = 1 / 60


def replay(*sources, **more):
    return build(Kind.INCIDENT_WINDOW_REPLAY, *sources, **more)


def groups(*episodes, silences=()):
    return [[one.labels["alertname"] for one in group.episodes] for group in incidents(episodes, silences, WINDOW)]


def test_everything_is_one_list_in_the_order_of_time_with_the_distance_from_the_first_signal():
    restart = Event(at=hour(2), source="prometheus", text="prometheus restarted")
    told = Told(
        episode(3, 5, "B", pending=2.5, job="web"),
        episode(-1, 4, "A"),
        silences=(silence('job="web"', 3.5, 30),),
        events=(restart,),
    )
    report = replay(told, timezone="Asia/Kolkata")
    timeline = section(report, "Timeline")
    assert timeline.columns == ("time", "offset", "", "", "incident")
    assert timeline.rows == (
        ("21 Nov 16:30:00", "-30 m", "prometheus", "prometheus restarted", ""),
        ("21 Nov 17:00:00", "+0 s", "pending", "B job=web", "2"),
        ("21 Nov 17:30:00", "+30 m", "firing", "B job=web", "2"),
        ("21 Nov 18:00:00", "+1 h", "silenced", 'job="web" until 22 Nov 20:30 IST, by eva: being mended', ""),
        ("21 Nov 18:30:00", "+1 h 30 m", "resolved", "A", "1"),
        ("21 Nov 19:30:00", "+2 h 30 m", "resolved", "B job=web", "2"),
    )
    assert timeline.lines == ("Times in Asia/Kolkata; the offset counts from the first signal.",)


def test_incidents_tell_first_symptom_recovery_duration_and_peak():
    report = replay(
        Told(
            episode(3, 5, "A", pending=2.9, service="shop"),
            episode(4, 6, "B", service="shop"),
            episode(4.5, 4.6, "C", service="shop"),
            episode(20, None, "D"),
        )
    )
    assert section(report, "Incidents").rows == (
        ("Incident 1", "21 Nov 11:54:00", "21 Nov 15:00:00", "3 h 6 m", "3", "3", "A service=shop"),
        ("Incident 2", "22 Nov 05:00:00", "not yet", "4 h so far", "1", "1", "D"),
    )
    assert [(n.name, n.value) for n in report.numbers] == [
        ("incidents", 2),
        ("new", 4),
        ("still firing", 1),
        ("resolved", 3),
    ]


def test_alerts_without_a_common_name_or_label_are_separate_incidents():
    assert groups(episode(1, 2, "A", service="x"), episode(1, 2, "B", service="y")) == [["A"], ["B"]]


@pytest.mark.parametrize("label", ["service", "job", "namespace", "instance"])
def test_alerts_that_overlap_and_share_a_label_are_one_incident(label):
    assert groups(episode(1, 3, "A", **{label: "x"}), episode(2, 4, "B", **{label: "x"})) == [["A", "B"]]


@pytest.mark.parametrize("label", ["service", "instance", "pod"])
def test_one_alert_that_fires_in_many_places_at_once_is_one_incident(label):
    at_once = [episode(2, 3, "Fan", **{label: str(number)}) for number in range(40)]
    apart = episode(8, 9, "Fan", **{label: "x"})
    assert [len(one) for one in groups(*at_once, apart)] == [40, 1]


def test_an_alert_that_follows_within_five_minutes_belongs_to_the_incident():
    first = episode(1, 2, "A", job="x")
    assert groups(first, episode(2 + 5 * MINUTE, 3, "B", job="x")) == [["A", "B"]]
    assert groups(first, episode(2 + 5.1 * MINUTE, 3, "B", job="x")) == [["A"], ["B"]]


def test_an_incident_is_whatever_hangs_together_over_several_steps():
    chain = (
        episode(1, 2, "A", job="x"),
        episode(1.5, 3, "B", job="x", namespace="n"),
        episode(2.9, 4, "C", namespace="n"),
    )
    assert groups(*chain) == [["A", "B", "C"]]


def test_a_long_alert_is_not_forgotten_behind_a_short_one():
    episodes = (episode(1, 6, "Long", job="x"), episode(2, 2.1, "Short", job="x"), episode(5, 7, "Late", job="x"))
    assert groups(*episodes) == [["Long", "Short", "Late"]]


def test_the_cluster_groups_only_alerts_that_have_nothing_narrower():
    bare = (episode(1, 2, "A", cluster="c"), episode(1, 2, "B", cluster="c"))
    assert groups(*bare) == [["A", "B"]]
    assert groups(*bare, episode(1, 2, "C", cluster="c", service="s")) == [["A", "B"], ["C"]]


def test_an_alert_that_fires_through_the_whole_window_does_not_tie_others_together():
    chronic = episode(-30, None, "Chronic", job="x")
    assert groups(chronic, episode(2, 3, "A", job="x"), episode(10, 11, "B", job="x")) == [["Chronic"], ["A"], ["B"]]


def test_the_order_of_the_sources_changes_nothing():
    episodes = [episode(n % 7, n % 7 + 1, job=str(n % 3), pod=str(n)) for n in range(30)]
    assert replay(Told(*episodes)) == replay(Told(*reversed(episodes)))


def test_fifty_thousand_alerts_are_grouped_without_comparing_each_with_each():
    episodes = [episode(n / 5000, n / 5000 + 0.1, f"A{n % 50}", job=str(n % 50), pod=str(n)) for n in range(50_000)]
    assert len(incidents(episodes, (), WINDOW)) == 50


def test_a_peak_does_not_count_one_that_ends_as_another_begins():
    (one,) = incidents([episode(1, 2, "A", job="x"), episode(2, 3, "B", job="x")], (), WINDOW)
    assert one.peak == 1


def test_silences_in_force_are_those_that_match_an_alert_of_the_incident():
    silences = (silence('job="x"', 1, 3), silence('job="y"', 1, 3, "2"), silence('job="x"', 7, 9, "3"))
    (one,) = incidents([episode(2, 4, "A", job="x")], silences, WINDOW)
    assert [each.id for each in one.silences] == ["1"]
    report = replay(Told(episode(2, 4, "A", job="x"), silences=silences))
    assert 'Incident 1: silence in force: job="x" until 21 Nov 12:00 UTC, by eva: being mended' in lines(
        report, "Incidents"
    )


def test_long_stretches_without_a_signal_inside_an_incident_are_pointed_out():
    report = replay(Told(episode(2, 4, "A", job="x"), episode(2.1, 2.2, "B", job="x"), episode(9, 12, "Alone")))
    assert lines(report, "Incidents")[1:] == ("Incident 1: nothing began or ended for 1 h 48 m from 21 Nov 11:12:00",)


def test_alerts_that_fire_at_their_usual_rate_are_marked_and_form_no_incident():
    noise = [episode(n * 4, n * 4 + 0.1, "Flappy", job="x") for n in range(-5, 5)]
    report = replay(Told(*noise, episode(4, 5, "New", job="x")))
    rows = section(report, "Timeline").rows
    assert {row[4] for row in rows if row[3].startswith("Flappy")} == {"usual"}
    assert [row[1] for row in rows if row[2:4] == ("firing", "New job=x")] == ["+0 s"]
    assert [row[6] for row in section(report, "Incidents").rows] == ["New job=x"]
    assert lines(report, "Usual noise") == ("Flappy: 5 firings, 5 in the 1 d before",)


def test_usual_is_no_alert_that_is_urgent_rare_or_much_more_frequent_now():
    def often(count, **labels):
        return [episode(n, n + 0.1, **labels) for n in range(count)]

    def is_usual(now, before, **labels):
        return bool(usual(often(now, **labels), often(before, **labels), 1.0))

    assert is_usual(6, 3)
    assert not is_usual(7, 3)
    assert not is_usual(1, 2)
    assert not is_usual(3, 3, severity="critical")


def test_without_proof_of_the_time_before_no_alert_is_marked_usual_and_the_report_says_so():
    noise = [episode(n * 4, n * 4 + 0.1, "Flappy", job="x") for n in range(-5, 5)]
    report = replay(Told(*noise, since=START))
    assert report.verdict is Verdict.ATTENTION
    assert lines(report, "Usual noise") == ("Not marked, because of the time before: told: as told",)
    assert len(section(report, "Incidents").rows) == 5


def test_changes_in_the_two_hours_before_the_first_signal_come_first_also_from_before_the_window():
    events = [
        Event(at=hour(hours), source="prometheus", text=text)
        for hours, text in ((-2.5, "long before"), (-0.5, "rules reloaded"), (0.9, "restarted"), (3, "afterwards"))
    ]
    told = Told(episode(1, 2, "A"), events=events, silences=(silence('a="b"', 0.2, 0.8),))
    report = replay(told)
    assert titles(report)[0] == "Changes in the 2 hours before"
    assert lines(report, "Changes in the 2 hours before") == (
        "21 Nov 08:30:00 prometheus: rules reloaded",
        '21 Nov 09:12:00 silenced: a="b" until 21 Nov 09:48 UTC, by eva: being mended',
        '21 Nov 09:48:00 silence ended: a="b" until 21 Nov 09:48 UTC, by eva: being mended',
        "21 Nov 09:54:00 prometheus: restarted",
    )


def test_a_short_window_still_looks_two_hours_back():
    reload = Event(at=hour(4.5), source="prometheus", text="rules reloaded")
    told = Told(episode(6.2, 6.5, "A"), events=(reload,))
    report = replay(told, window=(hour(6), hour(7)))
    assert (hour(4), hour(6)) in told.reads
    assert lines(report, "Changes in the 2 hours before") == ("21 Nov 13:30:00 prometheus: rules reloaded",)


def test_without_known_changes_the_report_says_what_it_cannot_see():
    report = replay(Told(episode(1, 2)))
    assert lines(report, "Changes in the 2 hours before") == (
        "None that the sources tell of; they do not see deployments.",
    )


def test_stretches_without_watching_are_flagged_and_in_the_list():
    gap = Event(at=hour(2), until=hour(3), source="prometheus", text="no samples")
    report = replay(Told(episode(1, 2, "A"), events=(gap,)))
    assert lines(report, "Not watched") == ("prometheus: no samples from 21 Nov 11:00:00 to 21 Nov 12:00:00",)
    assert ("21 Nov 11:00:00", "+1 h", "prometheus", "no samples, for 1 h", "") in section(report, "Timeline").rows


def noisy_day():
    """Sixty short warnings one after the other, forty pages at once, one that still fires, and one that always does."""
    warnings = [episode(4 + n / 10, 4.05 + n / 10, f"Many{n}", pod=str(n), severity="warning") for n in range(60)]
    pages = [episode(12, 12.5, "Fan", instance=str(n), severity="page") for n in range(40)]
    live = [episode(22 + n / 60, None, "Still", instance=f"s{n}", severity="critical") for n in range(30)]
    chronic = [episode(-9, None, f"Chronic{n}", severity="warning") for n in range(40)]
    return [*warnings, *pages, *live, *chronic]


def test_of_many_incidents_those_that_still_fire_or_are_urgent_are_shown_in_the_order_of_time():
    table = section(replay(Told(*noisy_day())), "Incidents")
    assert (len(table.rows), [row[0] for row in table.rows]) == (20, [f"Incident {n}" for n in range(1, 21)])
    assert [row[1] for row in table.rows] == sorted(row[1] for row in table.rows)
    assert [(row[6].split()[0], row[2], row[4]) for row in table.rows[-2:]] == [
        ("Fan", "21 Nov 21:30:00", "40"),
        ("Still", "not yet", "30"),
    ]
    assert table.lines[-1] == (
        "Shown: 20 of 102 incidents, first what still fires, then what is urgent, then what fired longest; "
        "left out: 82, of them 22 still firing, 0 urgent"
    )


def test_what_is_urgent_comes_before_what_fires_since_long_ago_and_is_not():
    chronic = [episode(-9, None, f"Chronic{n}", severity="warning") for n in range(40)]
    urgent = [episode(-9, None, "Old", severity="page"), episode(1, 2, "Brief", severity="page")]
    found = [row[6].split()[0] for row in section(replay(Told(*chronic, *urgent)), "Incidents").rows]
    assert {"Old", "Brief"} <= set(found)


def test_of_equal_sort_the_incidents_that_fired_longest_are_shown():
    short = [episode(n / 2, n / 2 + 0.1, f"Short{n}") for n in range(30)]
    long = [episode(n / 2 + 0.2, n / 2 + 0.4, f"Long{n}") for n in range(20)]
    found = [row[6] for row in section(replay(Told(*short, *long)), "Incidents").rows]
    assert found == [f"Long{n}" for n in range(20)]


def test_a_long_list_shows_the_beginning_and_the_end_of_each_incident_that_is_shown():
    report = replay(Told(*noisy_day()))
    rows = section(report, "Timeline").rows
    assert len(rows) == 100
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    incidents_with_signals = {
        row[0].removeprefix("Incident ")
        for row in section(report, "Incidents").rows
        if not row[6].startswith("Chronic")  # which neither began nor ended in the window
    }
    assert {row[4] for row in rows} >= incidents_with_signals
    of_the_live_one = [row[0] for row in rows if row[3].startswith("Still")]
    assert (of_the_live_one[0], of_the_live_one[-1]) == ("22 Nov 07:00:00", "22 Nov 07:29:00")


def test_a_long_list_says_how_many_lines_of_which_sort_are_left_out():
    noise = [episode(n / 3, n / 3 + 0.1, "Flappy", job="x") for n in range(-60, 60)]
    real = [episode(n / 3, n / 3 + 0.1, "Real", pod=str(n)) for n in range(60)]
    big = [episode(12, 13, f"Big{n}", service="s", severity="page") for n in range(45)]
    events = [Event(at=hour(n / 9), source="p", text="restarted") for n in range(90)]

    def left_out(*episodes, events=()):
        table = section(replay(Told(*episodes, events=events)), "Timeline")
        assert not [row for row in table.rows if row[4] == "usual"]
        assert len(table.rows) == 100
        return table.lines[1:]

    assert left_out(*noise, *real) == (
        "Shown: 100 of 240 lines; left out: 120 of usual alerts, 20 of incidents not listed",
    )
    assert left_out(*real, *big) == (
        "Shown: 100 of 210 lines; left out: 82 of incidents not listed, 28 from the middle of incidents",
    )
    assert left_out(*big, events=events) == (
        "Shown: 100 of 180 lines; left out: 40 of silences and other events, 40 from the middle of incidents",
    )


def test_a_list_that_fits_shows_everything():
    noise = [episode(n, n + 0.1, "Flappy", job="x") for n in range(-20, 20)]
    real = [episode(n / 2, n / 2 + 0.1, f"Real{n}") for n in range(30)]
    table = section(replay(Told(*noise, *real)), "Timeline")
    assert (len(table.rows), table.lines[1:]) == (100, ())
    assert [row[4] for row in table.rows].count("unlisted") == 20
    assert [row[4] for row in table.rows].count("usual") == 40


def test_a_first_signal_that_is_not_shown_is_told_by_its_time():
    first = [episode(1 + n / 100, 1 + n / 100 + 0.005, f"Tiny{n}") for n in range(99)]
    big = [episode(12, 13, f"Big{n}", service=str(n), severity="page") for n in range(55)]
    assert lines(replay(Told(*first, *big)), "Timeline")[0] == (
        "Times in UTC; the offset counts from the first signal, 21 Nov 10:00:00."
    )


def test_what_is_worth_a_remark_is_told_of_the_heaviest_incidents():
    warnings = [
        one
        for n in range(12)
        for one in (episode(n, n + 0.9, "A", service=str(n)), episode(n + 0.1, n + 0.2, "B", service=str(n)))
    ]
    live = (episode(20, None, "C", service="s", severity="page"), episode(22, None, "D", service="s"))
    said = lines(replay(Told(*warnings, *live)), "Incidents")
    assert any("nothing began or ended for 2 h" in line for line in said)


def test_a_window_without_alerts_is_an_empty_list_and_no_incident():
    report = replay(Told())
    assert (report.verdict, titles(report)) == (Verdict.OK, ["Timeline"])
    assert lines(report, "Timeline") == ("No alert and no silence began or ended in this window.",)


def test_no_sentence_of_the_report_claims_a_cause():
    told = Told(episode(1, 2, "A"), events=(Event(at=hour(0.9), source="p", text="restarted"),))
    said = " ".join(line for one in replay(told).sections for line in one.lines).lower()
    assert "cause" not in said
    assert "because" not in said


@pytest.mark.parametrize("sources", [(), (Told(status=CoverageStatus.FAILED),)])
def test_replay_raises_when_nothing_answered(sources):
    with pytest.raises(SourceError):
        replay(*sources)


def test_replay_of_a_window_without_proof_is_unknown_and_has_no_numbers():
    report = replay(Told(episode(1, 2), status=CoverageStatus.UNPROVEN))
    assert (report.verdict, len(section(report, "Timeline").rows)) == (Verdict.UNKNOWN, 2)
    assert {number.value for number in report.numbers} == {None}
    assert report.actions == (MAKE_WHOLE,)
    assert replay(Told(episode(1, 2), since=START + timedelta(hours=3))).actions == (), "it watches again"


def test_numbers_are_set_against_the_window_before_also_when_it_is_short():
    told = Told(episode(5.2, 5.3, "A"), episode(5.5, 5.6, "B"), episode(4.1, 4.2, "C"), episode(6.2, None, "A"))
    report = replay(told, window=(hour(6), hour(7)))
    assert [(n.name, n.value, n.previous) for n in report.numbers] == [
        ("incidents", 1, 2),
        ("new", 1, 2),
        ("still firing", 1, 0),
        ("resolved", 0, 2),
    ]
    unproven = replay(Told(episode(6.2, None, "A"), since=hour(6)), window=(hour(6), hour(7)))
    assert {number.previous for number in unproven.numbers} == {None}


def test_a_window_of_a_day_is_compared_with_the_day_before():
    told = Told(episode(1, 2))
    replay(told)
    assert sorted(told.reads) == [(START - timedelta(days=1), START), (START, END)]
