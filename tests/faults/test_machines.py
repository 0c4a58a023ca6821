"""A run that this machine cannot do is left to another one that ticks on the same store, for half its grace."""

from dataclasses import replace

import pytest

from faults.scene import TASK, Machine, Scene, at
from watchbell.claims import Host, Status, plan_move
from watchbell.delivery.interface import NotSent
from watchbell.errors import SourceError
from watchbell.reports.interface import ReportRequest


def without_source(process: Machine) -> Machine:
    """Let the monitoring system be unreachable from there."""

    def unreachable(request: ReportRequest) -> None:
        raise SourceError("prometheus: cannot connect")

    process.pipeline.meanwhile = unreachable
    return process


def without_tokens(process: Machine) -> Machine:
    process.lacks_tokens = True
    return process


CRIPPLED = {"source": without_source, "tokens": without_tokens}


@pytest.mark.parametrize("lack", CRIPPLED)
def test_a_run_that_only_this_machine_cannot_do_is_done_by_the_other(scene: Scene, lack: str) -> None:
    scene.add()
    scene.tick("08:55", scene.process("beta"))
    alpha = CRIPPLED[lack](scene.process("alpha"))
    result = scene.tick("09:00", alpha)
    run = scene.run("09:00")
    assert (run.status, run.declined_by, run.declined_until) == (Status.WAITING, "alpha", at("09:15"))
    assert scene.slack.sends == []
    assert result.exit_code == 0

    beta = scene.process("beta")
    assert scene.tick("09:01", beta).exit_code == 0
    run = scene.run("09:00")
    assert (run.status, run.crashes, run.declined_by) == (Status.SUCCESS, 0, None)
    assert scene.slack.texts("C1") == ["2026-11-22T09:00Z build 1"]


@pytest.mark.parametrize("lack", CRIPPLED)
def test_an_earlier_pod_of_the_same_cronjob_is_no_other_machine(scene: Scene, lack: str) -> None:
    scene.add()
    scene.tick("08:59", scene.process("watchbell-29394823-k2x9q"))
    scene.tick("09:00", CRIPPLED[lack](scene.process("watchbell-29394824-z7m4p")))
    assert scene.run("09:00").status is (Status.SUCCESS if lack == "source" else Status.FAILED)


@pytest.mark.parametrize(("lack", "exit_code"), [("source", 0), ("tokens", 4)])
def test_without_another_machine_it_is_settled_at_once(scene: Scene, lack: str, exit_code: int) -> None:
    scene.add()
    scene.tick("08:49", scene.process("beta"))  # eleven minutes ago: as good as gone
    result = scene.tick("09:00", CRIPPLED[lack](scene.process("alpha")))
    run = scene.run("09:00")
    if lack == "source":
        assert run.status is Status.SUCCESS
        assert run.verdict == "UNKNOWN"
        assert scene.slack.texts("C1") == ["2026-11-22T09:00Z pipeline unavailable: prometheus: cannot connect"]
    else:
        assert run.status is Status.FAILED
        assert scene.slack.sends == []
    assert result.exit_code == exit_code
    assert run.wake_at is None


def test_a_kind_without_a_notice_fails_at_once_where_there_is_no_other_machine(scene: Scene) -> None:
    scene.add(kind="synthetic_run")
    result = scene.tick("09:00", without_source(scene.process()))
    run = scene.run("09:00")
    assert (run.status, result.exit_code, scene.slack.sends) == (Status.FAILED, 6, [])
    assert run.error == "prometheus: cannot connect"


@pytest.mark.parametrize("lack", CRIPPLED)
def test_what_no_other_machine_takes_is_settled_here_after_half_the_grace(scene: Scene, lack: str) -> None:
    scene.add()
    scene.tick("08:55", scene.process("beta"))
    scene.tick("09:00", CRIPPLED[lack](scene.process("alpha")))
    for minute in ("09:01", "09:05", "09:14"):
        alpha = CRIPPLED[lack](scene.process("alpha"))
        assert scene.tick(minute, alpha).runs == []
        assert alpha.pipeline.builds == [], "it does not take the run again"
    scene.tick("09:14", CRIPPLED[lack](scene.process("gamma")))  # somebody is there, but as helpless
    result = scene.tick("09:15", CRIPPLED[lack](scene.process("alpha")))
    run = scene.run("09:00")
    assert run.status is (Status.SUCCESS if lack == "source" else Status.FAILED)
    assert run.verdict == ("UNKNOWN" if lack == "source" else "ATTENTION")
    assert result.exit_code == (0 if lack == "source" else 4)
    assert len(scene.slack.sends) == (1 if lack == "source" else 0)


def test_two_machines_that_cannot_do_a_run_try_it_once_each_and_a_third_does_it(scene: Scene) -> None:
    scene.add()
    scene.tick("08:55", scene.process("gamma"))
    for minute in ("09:00", "09:01", "09:02", "09:03"):
        for machine in ("alpha", "beta"):
            process = without_source(scene.process(machine))
            scene.tick(minute, process)
            assert len(process.pipeline.builds) == (minute == "09:00")
    assert scene.run("09:00").attempt == 2
    scene.tick("09:04", scene.process("gamma"))
    assert scene.ledger() == ["09:00 success"]


def test_nothing_is_declined_once_something_was_sent(scene: Scene) -> None:
    scene.add(targets=["slack:C2"], cron="0 9 * * *")
    scene.slack.script["C2"] += [NotSent("busy", retry_after=600)]
    scene.tick("08:55", scene.process("beta"))
    scene.tick("09:00", scene.process("alpha"))
    scene.tick("09:09", scene.process("beta"))
    scene.tick("09:11", without_tokens(scene.process("alpha")))
    run = scene.run("09:00")
    assert run.declined_by is None
    assert {part.target: part.outcome for part in run.parts} == {"slack:C1": "delivered", "slack:C2": "refused"}
    assert run.status is Status.PARTIAL


def test_a_task_stays_live_on_one_machine_only_while_declined(scene: Scene) -> None:
    """The next fire time is not held up by a declined run, and makes it stale."""
    scene.add()
    scene.tick("08:55", scene.process("beta"))
    scene.tick("09:00", without_source(scene.process("alpha")))
    scene.tick("10:00", scene.process("beta"))
    scene.tick("10:01", scene.process("beta"))
    assert scene.ledger() == ["09:00 failed", "10:00 success"]
    assert len(scene.slack.sends) == 1


def test_a_dead_machine_is_believed_dead_a_minute_after_its_lease(scene: Scene) -> None:
    """Another kernel's locks cannot be seen: only the lease tells, with a minute for skewed clocks."""
    scene.add()
    claim_and_vanish(scene, scene.process("dead"))
    beta = scene.process("beta")
    assert scene.run("09:00").lease_until == at("09:06")
    assert scene.tick("09:07", beta).runs == []
    assert [run.status for run in scene.tick("09:07:01", beta).runs] == [Status.SUCCESS]
    assert scene.run("09:00").crashes == 1


def test_a_rebooted_machine_takes_its_own_runs_up_at_once(scene: Scene) -> None:
    scene.add()
    claim_and_vanish(scene, scene.process("alpha"))
    after = scene.process("alpha")
    rebooted = replace(after.services.owner, host=Host(machine="alpha", boot="another boot"))
    after.services = replace(after.services, owner=rebooted)
    scene.tick("09:00:30", after)
    assert (scene.run("09:00").status, scene.run("09:00").crashes) == (Status.SUCCESS, 1)


def claim_and_vanish(scene: Scene, process: Machine) -> None:
    """Let a process claim the fire time of 09:00, and end without a trace."""
    scene.clock.set(at("09:00"))
    expected = scene.store.tasks.expectation(TASK)
    assert expected is not None
    services = process.services
    move = plan_move(
        expected,
        minute=at("09:00"),
        now=at("09:00"),
        tick_deadline=services.deadline,
        ticked_between=lambda start, end: True,
    )
    assert move is not None
    scene.store.runs.claim(expected, move, owner=services.owner, lease_until=at("09:06"), now=at("09:00"))
