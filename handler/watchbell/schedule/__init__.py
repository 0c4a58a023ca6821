"""When a task fires: a cron expression and an IANA zone in, UTC minutes out.

Nothing here reads a clock, a file of ours or the environment; the minute asked about is always passed in.

The expression has five fields, as in Debian's cron, plus `L`, `5#2`, `5L` and `H`; `dialect.py` states each form.
Day of month and day of week are OR-ed unless one of them starts with `*`, then both must match (Debian's rule).

Clock changes follow Debian's cron too. A job is fixed when neither its minute nor its hour field starts with `*`:

- local time skipped by the change: a fixed job fires once, at the first minute after the gap;
- local time that comes twice: a fixed job fires the first time only;
- any other job follows the wall clock, minute by minute: nothing in a gap, both times when it comes twice.

Two differences from Debian's daemon, which watches the clock instead of the zone: `0,30 2` fires once after a gap that
skips both (Debian runs it twice), and jumps of three hours or more, such as the day that Apia skipped in 2011, follow
the same rule (Debian takes them for corrections of the clock and makes nothing up).
"""

from watchbell.schedule.schedule import Schedule
from watchbell.schedule.why import FieldVerdict, Why

__all__ = ["FieldVerdict", "Schedule", "Why"]
