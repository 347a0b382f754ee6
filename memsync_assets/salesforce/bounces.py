"""Addresses that bounced in the org: remembered from the snapshot for as long as the org says so.

What the org says has no address in it. So the address is remembered that the record had when it was first said: it
holds when the record's address is emptied or another, until the org says it no longer or says it anew.
"""

from __future__ import annotations

from memsync_assets.mart.engine import Mart
from memsync_assets.salesforce.specifications import UploadSpecification, quoted


def remember_bounces(mart: Mart, one: UploadSpecification) -> None:
    """Bring bounced_emails up to date with the live values of an object that says what bounced."""
    if one.bounces is None:
        return
    email, reason, at = (f"l.{quoted(name)}" for name in (one.bounces.email, one.bounces.reason, one.bounces.at))
    said = f"({reason} IS NOT NULL OR {at} IS NOT NULL)"
    same = f"COALESCE({reason}, '') = COALESCE(bounced_emails.reason, '')"
    same += f" AND COALESCE({at}, '') = COALESCE(bounced_emails.bounced_at, '')"
    mart.execute(
        f"DELETE FROM bounced_emails WHERE NOT EXISTS (SELECT 1 FROM {one.live_table} AS l"  # noqa: S608
        f" WHERE l.record_id = bounced_emails.record_id AND {said} AND ({email} IS NULL OR ({same})))"
    )
    mart.execute(
        "INSERT INTO bounced_emails (record_id, email, reason, bounced_at)"  # noqa: S608
        f" SELECT l.record_id, LOWER({email}), {reason}, {at} FROM {one.live_table} AS l"
        " LEFT OUTER JOIN bounced_emails AS b ON l.record_id = b.record_id"
        f" WHERE b.record_id IS NULL AND {email} IS NOT NULL AND {said}"
    )
