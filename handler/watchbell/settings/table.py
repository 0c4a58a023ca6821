"""One table of config.toml; every complaint names the file and the key."""

import tomllib
from collections.abc import Mapping
from typing import Any

from watchbell.errors import ConfigError, CredentialError
from watchbell.secrets.integrations import Place
from watchbell.secrets.references import Referred
from watchbell.tasks import json_type


class Table:
    """One TOML table; every complaint names the file and the key."""

    def __init__(self, path: Place, values: Mapping[str, Any], known: tuple[str, ...], prefix: str = "") -> None:
        self.path = path
        self.values = values
        self.prefix = prefix
        for key in values:
            if key not in known:
                raise ConfigError(f"{path}: unknown key {prefix}{key}; known are {', '.join(known)}")

    def get(self, key: str, kind: type, default: Any) -> Any:
        """Return a value of the right type."""
        value = self.values.get(key, default)
        if value is not default and not isinstance(value, kind):
            # NOTE: not the value: it may be a secret without its quotes.
            raise ConfigError(
                f"{self.path}: {self.prefix}{key} must be of type {kind.__name__}, not {json_type(value)}"
            )
        return value

    def whole(self, key: str, default: int, lowest: int, highest: int) -> int:
        """Return a whole number within bounds."""
        value = self.get(key, int, default)
        if isinstance(value, bool) or not lowest <= value <= highest:
            raise ConfigError(f"{self.path}: {self.prefix}{key} must be between {lowest} and {highest}, not {value}")
        return int(value)


def read_toml(place: Place, *, must_exist: bool) -> Mapping[str, Any]:
    """Return the whole file; an empty mapping when there is none and there need not be.

    Raises ConfigError, and TryAgain where it is kept elsewhere and cannot be reached now.
    """
    try:
        return tomllib.loads(place.text() if isinstance(place, Referred) else place.read_text(encoding="utf-8"))
    except CredentialError as error:
        raise ConfigError(f"WATCHBELL_CONFIG: {error}") from None
    except FileNotFoundError:
        if must_exist:
            raise ConfigError(f"WATCHBELL_CONFIG names {place}, which does not exist") from None
        return {}
    except NotADirectoryError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{place} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{place}: {error}") from error
