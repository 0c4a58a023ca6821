"""The short form of `make chaos`: fewer deliveries, the same promises."""

from chaos.plan import make_plan
from chaos.storm import Storm


def test_no_promise_is_broken_whatever_fails_and_whichever_tick_is_killed():
    """Nothing lost without a trace; no doubles where the provider has the means, nor with `hold`; none missing else."""
    plan = make_plan(80, 7, fires=1, minutes=(0, 20))
    storm = Storm(plan, 7, kills=0.7, kill_within=2.5)
    findings = storm.rage()
    assert findings.broken == []
    assert sum(findings.runs.values()) + findings.gaps == len(plan.tasks)
    assert storm.counts["faults"] >= 0.3 * storm.counts["requests"] > 0
    assert storm.counts["killed"] > 0
    assert storm.counts["stuck"] == 0
