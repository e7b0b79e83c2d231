"""Columns by which data from ad auctions (bid streams) give themselves away. Such a file is refused by its names, before any row is read.

Source: IAB Tech Lab, OpenRTB 2.6 (objects BidRequest, Imp, SeatBid and Bid), and the names that exchanges give to the same things in flat files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pyarrow as pa

from flockwise.errors import RuleError

__all__ = ["auction_columns", "refuse_auctions"]

_OBJECTS = ("bidrequest", "bidresponse", "bidstream", "openrtb", "seatbid")
"""Refused wherever they stand in a name."""

_FIELDS = frozenset(
    "adomain allimps at_auction auction auctionid auctionprice auctiontype auctionts badv bapp bcat bidder bidderid bidfloor bidfloorcur bidid bidprice bids "
    "bidts bseat burl clearingprice crid dealid demandpartner dsp dspid dspname exchangebid exchangeid imp impid lurl nurl rtb rtbid "
    "rwdd ssp sspid sspname supplypartner tagid winbid winloss winnotice winprice wseat".replace("_", "").split()
)
"""Refused as a whole name, or as a part of one between dots, slashes or brackets."""


def auction_columns(schema: pa.Schema) -> list[str]:
    """The columns, also inside structures, whose names are those of an ad auction.

    Example:
        >>> auction_columns(pa.schema([("device_id", pa.int64()), ("imp.bidfloor", pa.float64()), ("Auction-ID", pa.string())]))
        ['imp.bidfloor', 'Auction-ID']
    """
    return [name for name in _names(schema) if _of_an_auction(name)]


def refuse_auctions(schema: pa.Schema, shown: str) -> None:
    """Refuses a file that comes from an ad auction.

    Args:
        schema: names and types of all its columns.
        shown: the file's name, for the message.

    Raises:
        RuleError: INGEST_AD_AUCTION.
    """
    found = auction_columns(schema)
    if found:
        raise RuleError(
            "INGEST_AD_AUCTION",
            what=f"{shown} has columns of an ad auction (bid stream). Nobody who is in such data agreed to that.",
            got=", ".join(sorted(found)[:10]),
            expected="pings given with consent for a service that the person asked for",
            state="Nothing was stored and no row was read.",
            fix="Don't rename the columns: ask the supplier where the data come from, and assess it anew.",
        )


def _names(fields: pa.Schema | pa.StructType) -> Iterator[str]:
    for field in fields:
        yield field.name
        kind: pa.DataType = field.type
        while isinstance(kind, pa.ListType | pa.LargeListType | pa.FixedSizeListType):
            kind = kind.value_type
        if isinstance(kind, pa.StructType):
            yield from _names(kind)


def _of_an_auction(name: str) -> bool:
    def plain(text: str) -> str:
        return re.sub(r"[^a-z0-9]", "", text.lower())

    whole = plain(name)
    return any(word in whole for word in _OBJECTS) or whole in _FIELDS or any(plain(part) in _FIELDS for part in re.split(r"[./\\\[\]:]+", name))
