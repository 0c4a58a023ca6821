"""One table of config.toml; every complaint names the file and the key."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from watchbell.errors import ConfigError


class Table:
    """One TOML table; every complaint names the file and the key."""

    def __init__(self, path: Path, values: Mapping[str, Any], known: tuple[str, ...], prefix: str = "") -> None:
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
            raise ConfigError(f"{self.path}: {self.prefix}{key} must be of type {kind.__name__}, not {value!r}")
        return value

    def whole(self, key: str, default: int, lowest: int, highest: int) -> int:
        """Return a whole number within bounds."""
        value = self.get(key, int, default)
        if isinstance(value, bool) or not lowest <= value <= highest:
            raise ConfigError(f"{self.path}: {self.prefix}{key} must be between {lowest} and {highest}, not {value}")
        return int(value)


def read_toml(path: Path, *, must_exist: bool) -> Mapping[str, Any]:
    """Return the whole file; an empty mapping when there is none and there need not be."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if must_exist:
            raise ConfigError(f"WATCHBELL_CONFIG names {path}, which does not exist") from None
        return {}
    except NotADirectoryError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
