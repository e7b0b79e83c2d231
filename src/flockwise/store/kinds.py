"""Which column types a meaning can have: judged from a file's schema, before any row is read."""

from __future__ import annotations

import pyarrow as pa

from flockwise.config import Input
from flockwise.errors import DataError

__all__ = ["check_types", "is_number", "is_text"]


def is_text(kind: pa.DataType) -> bool:
    """Whether a type holds text or bytes of any length."""
    t = pa.types
    return bool(
        t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind) or t.is_binary(kind) or t.is_large_binary(kind) or t.is_binary_view(kind)
    )


def is_number(kind: pa.DataType) -> bool:
    """Whether a type holds numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _plain(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def check_types(schema: pa.Schema, mapping: Input, shown: str) -> None:
    """Refuses a file whose columns have types that their meaning can't have.

    Args:
        schema: the mapped columns of the file.
        mapping: the study's [input].
        shown: name of the file, for the message.

    Raises:
        DataError: INGEST_WRONG_TYPE; INGEST_NAIVE_TIME.
    """
    t = pa.types

    def refuse(meaning: str, column: str, expected: str, fix: str) -> None:
        raise DataError(
            "INGEST_WRONG_TYPE",
            what=f"A column of {shown} has a type that its meaning can't have.",
            got=f'column "{column}" ([input] {meaning}) of type {schema.field(column).type}',
            expected=expected,
            state="Nothing was stored.",
            fix=fix,
        )

    def kind(column: str) -> pa.DataType:
        return _plain(schema.field(column).type)

    device = kind(mapping.device)
    if mapping.device_type == "integer" and not (t.is_integer(device) or is_text(device)):
        refuse("device", mapping.device, "whole numbers, or text with whole numbers", "Correct [input] device or device_type.")
    if mapping.device_type == "text" and not (is_text(device) or t.is_fixed_size_binary(device)):
        refuse("device", mapping.device, "text (whole numbers are device_type integer)", "Correct [input] device or device_type.")
    if mapping.device_type == "uuid" and not (is_text(device) or (t.is_fixed_size_binary(device) and device.byte_width == 16)):
        refuse("device", mapping.device, "text, or 16 bytes", "Correct [input] device or device_type.")
    time = kind(mapping.time)
    if mapping.time_format == "timestamp":
        if not t.is_timestamp(time):
            refuse("time", mapping.time, "a Parquet timestamp", "Set [input] time_format to s, ms, us or iso8601; CSV files have no timestamps.")
    elif mapping.time_format == "iso8601":
        if not is_text(time):
            refuse("time", mapping.time, "text such as 2026-03-02T08:15:00Z", "Correct [input] time or time_format.")
    elif not (is_number(time) or is_text(time)):
        refuse("time", mapping.time, "numbers since 1970", "Correct [input] time or time_format.")
    _refuse_naive(time, mapping, mapping.time, shown)
    for meaning, column in (("lat", mapping.lat), ("lon", mapping.lon), ("accuracy", mapping.accuracy)):
        if column is not None and not (is_number(kind(column)) or is_text(kind(column)) or t.is_null(kind(column))):
            refuse(meaning, column, "numbers", f"Correct [input] {meaning}.")
    if mapping.consent is not None:
        consent = kind(mapping.consent)
        if not (t.is_boolean(consent) or t.is_timestamp(consent) or is_text(consent) or t.is_integer(consent) or t.is_null(consent)):
            refuse("consent", mapping.consent, "true or false, or times", "Correct [input] consent.")
        _refuse_naive(consent, mapping, mapping.consent, shown)
    if mapping.withdrawn is not None:
        withdrawn = kind(mapping.withdrawn)
        if not (t.is_boolean(withdrawn) or t.is_timestamp(withdrawn) or is_text(withdrawn) or t.is_integer(withdrawn) or t.is_null(withdrawn)):
            refuse("withdrawn", mapping.withdrawn, "true or false, or times", "Correct [input] withdrawn.")
        _refuse_naive(withdrawn, mapping, mapping.withdrawn, shown)
    if mapping.consent_text is not None:
        version = kind(mapping.consent_text)
        if not (is_text(version) or t.is_integer(version) or t.is_null(version)):
            refuse("consent_text", mapping.consent_text, "text: versions of the supplier's consent texts", "Correct [input] consent_text.")
    if mapping.purposes is not None:
        purposes = kind(mapping.purposes)
        listed = isinstance(purposes, pa.ListType | pa.LargeListType) and is_text(_plain(purposes.value_type))
        if not (is_text(purposes) or t.is_null(purposes) or listed):
            refuse("purposes", mapping.purposes, "text with ; , or | between the purposes, or a list of texts", "Correct [input] purposes.")
    if mapping.opt_out is not None:
        opt_out = kind(mapping.opt_out)
        if not (t.is_boolean(opt_out) or is_text(opt_out) or t.is_integer(opt_out) or t.is_null(opt_out)):
            refuse("opt_out", mapping.opt_out, "true or false", "Correct [input] opt_out.")


def _refuse_naive(kind: pa.DataType, mapping: Input, column: str, shown: str) -> None:
    if pa.types.is_timestamp(kind) and kind.tz is None and mapping.time_zone is None:
        raise DataError(
            "INGEST_NAIVE_TIME",
            what=f"The times of {shown} carry no zone, and the study declares none.",
            got=f'column "{column}" of type {kind}',
            expected="times with a zone, or [input] time_zone",
            state="Nothing was stored.",
            fix='Write the zone of the supplier\'s clock, such as time_zone = "UTC", under [input].',
        )
