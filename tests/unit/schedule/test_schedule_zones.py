"""The zones of a schedule: any name of the IANA database, and nothing that merely lies beside it."""

import pytest

from watchbell.errors import ScheduleError
from watchbell.schedule import Schedule


@pytest.mark.parametrize(
    "zone", ["US/Eastern", "Asia/Calcutta", "Etc/GMT+5", "EST5EDT", "America/Argentina/Buenos_Aires", "GMT"]
)
def test_every_zone_of_the_database_is_taken_also_by_its_old_name(zone):
    assert Schedule.parse("0 9 * * *", zone).timezone == zone


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Berln", "write Europe/Berlin"),
        ("europe/berlin", "write Europe/Berlin"),
        ("Berlin", "write Europe/Berlin"),
        ("new york", "write America/New_York"),
        ("utc", "write UTC"),
        ("Calcutta", "write Asia/Calcutta"),
        ("US/Easten", "write US/Eastern"),
        ("PST", "write an IANA name"),
        ("CEST", "write an IANA name"),
        ("GMT+2", "write an IANA name"),
        ("+02:00", "write an IANA name"),
        ("", "write an IANA name"),
        ("Europe", "write an IANA name"),
        ("localtime", "write an IANA name"),
        ("posixrules", "write an IANA name"),
        ("Factory", "write an IANA name"),
        ("right/Europe/Berlin", "write Europe/Berlin"),
        ("posix/UTC", "write"),
        ("../etc/passwd", "write an IANA name"),
        ("/etc/localtime", "write an IANA name"),
        ("Europe/../Europe/Berlin", "write an IANA name"),
        ("Europe/Berlin\0", "write Europe/Berlin"),
        (" UTC", "write"),
        ("zone.tab", "write an IANA name"),
        ("x" * 3000, "write an IANA name"),
    ],
)
def test_unknown_zones_are_refused_with_the_closest_name(zone, hint):
    with pytest.raises(ScheduleError) as caught:
        Schedule.parse("0 9 * * *", zone)
    assert (caught.value.field, caught.value.token) == ("timezone", zone)
    assert hint in str(caught.value)
    assert str(caught.value).isprintable()
