"""How a monitoring system is entered: a token, a user and password, headers of its own, certificates (mTLS).

Files are read when a connection is made, so that renewed certificates are taken up; what is wrong with one is a
SourceError that names the option and the path, never the content.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

import httpx

from watchbell.errors import SourceError

#: What httpx raises where the environment names a proxy or authorities that it cannot use.
NO_CLIENT = (OSError, ValueError, ImportError, httpx.InvalidURL)


def surroundings(error: Exception) -> str:
    """Say what to look at after one of `NO_CLIENT`; never its text, which may hold a proxy's password."""
    return f"check SSL_CERT_FILE and the proxy variables such as HTTPS_PROXY ({type(error).__name__})"


class Access(TypedDict, total=False):
    """The options that every HTTP source takes. `ca_file` replaces the public authorities."""

    bearer_token: str | None
    username: str | None
    password: str | None
    headers: Mapping[str, str] | None
    ca_file: str | None
    client_cert: str | None
    client_key: str | None


def headers_for(access: Access) -> dict[str, str]:
    """Return the headers of each request."""
    headers = {**(access.get("headers") or {}), "Accept": "application/json"}
    if token := access.get("bearer_token"):
        headers["Authorization"] = f"Bearer {token}"
    return headers


def auth_for(access: Access) -> httpx.BasicAuth | None:
    """Return user and password, if they are given."""
    username = access.get("username")
    return httpx.BasicAuth(username, access.get("password") or "") if username else None


def trust_for(access: Access) -> ssl.SSLContext:
    """Return whom to trust, and what to show; raises SourceError naming the file that cannot be used."""
    ca_file, certificate, key = (access.get(name) for name in ("ca_file", "client_cert", "client_key"))
    trust = _trusting(str(ca_file)) if ca_file else httpx.create_ssl_context()
    if certificate:
        _text("client_cert", str(certificate))
        if key:
            _text("client_key", str(key))
        try:
            trust.load_cert_chain(_expanded(str(certificate)), _expanded(str(key)) if key else None, _no_passphrase)
        except (OSError, ValueError):
            pair = f"client_cert {certificate}" + (f" and client_key {key}" if key else "")
            raise SourceError(f"{pair} do not hold a certificate and its key in PEM, without a passphrase") from None
    return trust


def _trusting(path: str) -> ssl.SSLContext:
    text = _text("ca_file", path)
    try:
        return ssl.create_default_context(cadata=text)
    except (OSError, ValueError):
        raise SourceError(f"ca_file {path} holds no certificate in PEM") from None


def _text(option: str, path: str) -> str:
    try:
        text = Path(_expanded(path)).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SourceError(f"cannot read {option} {path}: {error.strerror}") from None
    except ValueError:
        raise SourceError(f"cannot read {option} {path}: it is no text") from None
    if not text:
        raise SourceError(f"{option} {path} is empty")
    return text


def _expanded(path: str) -> Path:
    return Path(path).expanduser()


def _no_passphrase() -> str:
    """Without this OpenSSL asks for the passphrase of a key on the terminal, and waits."""
    raise ValueError
