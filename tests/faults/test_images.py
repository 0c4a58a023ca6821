"""Images go below a delivered report, once each, and change nothing about it."""

import json

import pytest

from faults.scene import Machine, Scene, at
from watchbell.claims import Status
from watchbell.deliveries import FIRST_IMAGE
from watchbell.delivery.interface import Delivered, NotSent, Outcome, Refused, Unknown
from watchbell.json_shapes import run_to_json
from watchbell.reports.interface import Image

CHART = Image(name="alerts", png=b"\x89PNG", alt="alerts by hour")
PIE = Image(name="teams", png=b"\x89PNG")


def illustrated(scene: Scene, *images: Image) -> Machine:
    process = scene.process()
    process.pipeline.images = images or (CHART,)
    return process


def test_images_are_sent_once_each_below_the_report(scene: Scene) -> None:
    scene.slack.parts = 2
    scene.add(cron="0 9 * * *")
    scene.tick("09:00", illustrated(scene, CHART, PIE))
    assert [(sent.text, sent.first_id, sent.key.part) for sent in scene.slack.images] == [
        ("alerts", "1", FIRST_IMAGE),
        ("teams", "1", FIRST_IMAGE + 1),
    ]
    assert scene.run("09:00").status is Status.SUCCESS


@pytest.mark.parametrize("outcome", [Refused("too large"), NotSent("busy", retry_after=60), Unknown("no answer")])
def test_an_image_that_fails_is_told_not_repeated_and_leaves_the_run_a_success(scene: Scene, outcome: Outcome) -> None:
    scene.add(cron="0 9 * * *")
    scene.slack.image_script += [outcome]
    assert scene.tick("09:00", illustrated(scene, CHART, PIE)).exit_code == 0
    scene.tick("09:05")
    run = scene.run("09:00")
    assert (run.status, run.wake_at, run.error) == (Status.SUCCESS, None, None)
    assert [sent.text for sent in scene.slack.images] == ["alerts", "teams"]
    (delivery,) = run_to_json(run)["deliveries"]
    assert (delivery["outcome"], delivery["error"]) == ("delivered", None)
    assert delivery["notes"] == [f"image: {outcome.error}"]  # type: ignore[union-attr]


def test_a_bug_with_an_image_leaves_the_run_a_success(scene: Scene) -> None:
    def bug() -> Outcome:
        raise RuntimeError("boom")

    scene.add(cron="0 9 * * *")
    scene.slack.image_script += [bug]
    scene.tick("09:00", illustrated(scene))
    assert scene.run("09:00").status is Status.SUCCESS
    assert "a bug in the slack provider" in json.dumps(run_to_json(scene.run("09:00")))


def test_an_image_that_there_was_no_time_for_is_told(scene: Scene) -> None:
    scene.add(cron="0 9 * * *")
    scene.slack.places += [0, 1000]
    scene.tick("09:00", illustrated(scene))
    (delivery,) = run_to_json(scene.run("09:00"))["deliveries"]
    assert delivery["notes"] == ["image: there was no time left to send it"]
    assert scene.slack.images == []


def test_an_image_waits_for_the_whole_report_of_a_later_tick(scene: Scene) -> None:
    scene.slack.parts = 2
    scene.add(cron="0 9 * * *")
    scene.slack.script["C1"] += [Delivered("1"), NotSent("busy", retry_after=600)]
    scene.tick("09:00", illustrated(scene))
    assert scene.slack.images == []
    scene.tick("09:10")
    assert [sent.at for sent in scene.slack.images] == [at("09:10")]


def test_a_retry_of_other_targets_sends_no_image_again(scene: Scene) -> None:
    scene.add(cron="0 9 * * *", targets=["slack:C2"])
    scene.slack.script["C2"] += [Refused("not in channel")]
    scene.slack.image_script += [Refused("too large")]
    scene.tick("09:00", illustrated(scene))
    assert scene.retry(scene.run("09:00")).status is Status.SUCCESS
    assert [sent.chat_id for sent in scene.slack.images] == ["C1", "C2"]
    outcomes = {(part.target, part.part): part.outcome for part in scene.run("09:00").parts}
    assert outcomes["slack:C1", FIRST_IMAGE] == "refused"


def test_what_the_operator_should_know_of_a_delivered_part_is_in_the_json(scene: Scene) -> None:
    scene.add(cron="0 9 * * *")
    scene.slack.script["C1"] += [Delivered("1", note="shown as plain text")]
    scene.tick("09:00")
    run = scene.run("09:00")
    assert (run.status, run.error) == (Status.SUCCESS, None)
    assert run_to_json(run)["deliveries"][0]["notes"] == ["shown as plain text"]


@pytest.mark.parametrize(("outcome", "kept"), [(Delivered("1"), []), (NotSent("unreachable"), ["alerts"])])
def test_images_are_kept_for_as_long_as_somebody_lacks_the_report(
    scene: Scene, outcome: Outcome, kept: list[str]
) -> None:
    scene.add(cron="0 9 * * *")
    scene.slack.script["C1"] += [outcome] * 4
    scene.tick("09:00", illustrated(scene))
    saved = scene.store.runs.saved_report("a1b2c3d4e5f6", "2026-11-22T09:00Z")
    assert saved is not None
    assert [image["name"] for image in saved.get("images", [])] == kept
    assert (saved["verdict"], scene.run("09:00").verdict) == ("ATTENTION", "ATTENTION")
