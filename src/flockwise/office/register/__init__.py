"""The public register: what whoever holds location pings should disclose, from certificates, ledgers, trails and the study files. No pings are read."""

from flockwise.office.register.collecting import collect
from flockwise.office.register.model import Register, register_schema
from flockwise.office.register.writing import PAGE, RECORD, write

__all__ = ["PAGE", "RECORD", "Register", "collect", "register_schema", "write"]
