"""Which live record each upload row is: by our external id, or by what makes it certainly the same."""

from __future__ import annotations

from memsync_assets.mart.engine import Mart
from memsync_assets.salesforce import diff
from memsync_assets.salesforce.specifications import UploadSpecification


def match_records(mart: Mart, one: UploadSpecification) -> None:
    """Fill record_matches for an object; those of its parents must be there."""
    mart.execute("DELETE FROM record_matches WHERE object_name = @object", {"object": one.object})
    mart.execute(diff.matches(one))
    if one.adopt_by:
        mart.execute(diff.adoptions(one))
