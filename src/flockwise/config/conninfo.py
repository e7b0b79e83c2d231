"""Connection strings of libpq in a study file: read far enough to refuse a password. No driver is needed for that."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

__all__ = ["without_secret"]

_SECRETS = frozenset({"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"})
_PAIR = re.compile(r"\s*(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|(?:[^\s'\\]|\\.)(?:[^\s\\]|\\.)*|)(?=\s|$)", re.DOTALL)


def without_secret(text: str) -> str:
    """The connection string, if it is one and names no secret.

    Args:
        text: "key=value ..." or a URI, as in the PostgreSQL manual under "Connection Strings".

    Raises:
        ValueError: it can't be read, or it names a secret. The message does not repeat it.

    Example:
        >>> without_secret("host=ledger.internal dbname=ledger user=steward sslmode=verify-full")
        'host=ledger.internal dbname=ledger user=steward sslmode=verify-full'
        >>> without_secret("postgresql://steward:horse@ledger.internal/ledger")
        Traceback (most recent call last):
        ...
        ValueError: a study file is shared and kept, so no password in it: libpq takes it from its password file, service file or environment
    """
    if _names(text) & _SECRETS:
        raise ValueError("a study file is shared and kept, so no password in it: libpq takes it from its password file, service file or environment")
    return text


def _names(text: str) -> set[str]:
    if text.startswith(("postgresql://", "postgres://")):
        try:
            parts = urlsplit(text)
            asked = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError:
            raise ValueError(_UNREADABLE) from None
        return {name for name, _ in asked} | ({"password"} if parts.password else set())
    names, end = set[str](), 0
    while text[end:].strip():
        found = _PAIR.match(text, end)
        if found is None:
            raise ValueError(_UNREADABLE)
        names.add(found[1])
        end = found.end()
    if not names:
        raise ValueError(_UNREADABLE)
    return names


_UNREADABLE = 'not a connection string of libpq, such as "service=flockwise" or "host=ledger.internal dbname=ledger user=steward sslmode=verify-full"'
