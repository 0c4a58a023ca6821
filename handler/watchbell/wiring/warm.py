"""Services that outlive one tick: a warm process keeps its clients, and what belongs to one tick is made anew."""

import secrets
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace

from watchbell.services import Services
from watchbell.settings import Settings, load_settings
from watchbell.stores.interface import Owner
from watchbell.wiring import new_pipeline, open_services

#: Lambda writes these anew for each invocation.
_PASSING = "_X_AMZN"


class WarmServices:
    """One process that ticks again and again. Settings are read each time; other ones make everything anew."""

    def __init__(self, timer: str) -> None:
        self._timer = timer
        self._open = ExitStack()
        self._kept: tuple[Settings, Services] | None = None
        self._lock = threading.Lock()

    def for_tick(self, environ: Mapping[str, str]) -> Services:
        """Return services for one tick: as another owner than before, and with nothing read yet.

        Raises ConfigError, CredentialError, StoreError or TryAgain as making them does.
        """
        settings = load_settings({name: value for name, value in environ.items() if not name.startswith(_PASSING)})
        with self._lock:
            if self._kept is None or self._kept[0] != settings:
                self._open.close()
                self._kept = None
                opened = open_services(settings, timer=self._timer, console=sys.stderr)
                self._kept = settings, self._open.enter_context(opened)
            services = self._kept[1]
        owner = Owner(token=secrets.token_hex(16), host=services.owner.host)
        return replace(services, owner=owner, pipeline=new_pipeline(settings, services.clock))
