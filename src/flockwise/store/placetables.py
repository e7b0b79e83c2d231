"""The lookup tables of the list of sensitive places, kept in the store from the first ingest under a list on.

They are sealed under a secret of the store. So only who has the store's key, and could read the pings anyway, can make a table that is taken for one; what
anybody else writes there is passed over, and the table is made anew from the list. The seal holds for one list, one region and one version of the code.
"""

from __future__ import annotations

import logging
from pathlib import Path

from flockwise.base.files import write_durably
from flockwise.config import Study
from flockwise.governance import places
from flockwise.store import keys
from flockwise.store.sealing import ParcelSeal

__all__ = ["TABLES", "tables"]

log = logging.getLogger("flockwise.store")

TABLES = "places.tables"
MOST_BYTES = 1 << 30  # larger ones are made for each delivery


def tables(root: Path, secret: bytes, study: Study, found: places.Current) -> places.Suppression:
    """The tables of a list for the study's region: those that are kept if they are of this very list, else new ones, which are kept from then on.

    Args:
        root: the store's folder.
        secret: of the store.
        study: names the region.
        found: the list.

    Raises:
        DataError: PLACES_NOT_A_LIST: a geometry is broken.
    """
    seal = ParcelSeal(keys.derive(secret, "places", "cipher") + keys.derive(secret, "places", "nonce"))
    kept, name = root / TABLES, places.table_name(found.digest, study.area)
    try:
        if kept.stat().st_size <= MOST_BYTES:
            return places.unpacked(seal.unseal(kept.read_bytes(), name), found.digest)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        log.info("the lookup tables of sensitive places are made anew: %s", type(error).__name__)
    made = places.suppression(study, found)
    if made.nbytes < MOST_BYTES // 2:
        try:
            write_durably(kept, seal.seal(places.packed(made), name), 0o600)
        except OSError as error:
            log.warning("the lookup tables of sensitive places were not kept: %s", type(error).__name__)
    return made
