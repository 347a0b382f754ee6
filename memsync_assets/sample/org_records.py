"""What sales entered into Salesforce by hand before memsync ever ran: Accounts and Contacts without external ids.

Most are employer groups and true persons of the sample's first date, to be adopted and not doubled: some with an old
phone or address, some twice. Some are no business of memsync's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Literal

import numpy as np
import pyarrow.compute as pc

from memsync_assets.sample.contact_cases import CONTACTS_OF_A_GROUP
from memsync_assets.sample.contact_rows import Contacts
from memsync_assets.sample.draws import Ints
from memsync_assets.sample.employers import Employers, Group, make_employers
from memsync_assets.sample.places import STATES, Address, a_phone, an_address, phone_text, vocabulary
from memsync_assets.sample.schedule import LOAD_DATES

_ACCOUNTS, _CONTACTS, _TWICE, _UNRELATED = 40, 150, 10, 10
_PROSPECTS = ("Prospect Bay Brewing", "Tidewater Outfitters", "Palisade Robotics")


@dataclass(frozen=True)
class OrgRecord:
    """A record to be inserted.

    Attributes:
        reference: names the record among these; not a field.
        account: the reference of a Contact's Account, which comes earlier; None: without one.
        true_person: whom a Contact is, as in `Truth.contacts`; None: nobody that memsync knows.
        is_stale: whether its phone and address are former ones.
    """

    object_name: Literal["Account", "Contact"]
    reference: str
    fields: Mapping[str, str] = field(default_factory=dict)
    account: str | None = None
    true_person: int | None = None
    is_stale: bool = False


def org_records(members: int = 50_000, seed: int = 2026, contacts: int | None = None) -> tuple[OrgRecord, ...]:
    """The records that an org holds before the first sync of the sample of the same arguments; Accounts come first."""
    employers = make_employers(members, seed)
    everyone = Contacts(employers, contacts or CONTACTS_OF_A_GROUP * len(employers.groups), seed)
    random = Random(f"org {seed}")
    groups = random.sample(employers.groups, _ACCOUNTS)
    accounts = [_account(group, random) for group in groups]
    prospects = [OrgRecord("Account", f"prospect {name}", {"Name": name}) for name in _PROSPECTS]
    persons = list(_persons(everyone, employers, {group.number for group in groups}, random))
    twice = [_again(record, random) for record in random.sample(persons, _TWICE)]
    return (*accounts, *prospects, *persons, *twice, *_unrelated(random))


def _account(group: Group, random: Random) -> OrgRecord:
    stale = random.random() < 0.35
    state = group.address.state_code
    address, phone = (an_address(random, state), a_phone(random, state)) if stale else (group.address, group.phone)
    fields = {"Name": group.name, "Phone": phone_text(random, phone), **_address("Billing", address)}
    return OrgRecord("Account", f"group {group.number}", fields, is_stale=stale)


def _address(kind: str, address: Address) -> dict[str, str]:
    street = "\n".join(line for line in (address.line1, address.line2) if line)
    return {
        f"{kind}Street": street,
        f"{kind}City": address.city,
        f"{kind}State": address.state_code,
        f"{kind}PostalCode": address.postal_code,
    }


def _persons(everyone: Contacts, employers: Employers, groups: set[int], random: Random) -> Iterator[OrgRecord]:
    """Persons with a mailbox of their own; those of the groups that have an Account first."""
    cast = everyone.cast
    first = (cast.copy == 0) & cast.present(LOAD_DATES[0].number) & cast.email.is_("")
    usual = ~everyone.persons.shares_mailbox & ~cast.person_case.is_("no_person", "hostile_text")
    rows = np.flatnonzero(first & usual[cast.person])
    at_account = np.isin(cast.group[rows], list(groups))
    picked: Ints = np.concatenate([rows[at_account], rows[~at_account]])[:_CONTACTS]
    names = everyone.persons.names.take(cast.person[picked])
    emails = pc.take(everyone.persons.mailboxes.own, cast.person[picked]).to_pylist()
    phones = pc.take(everyone.persons.direct, cast.person[picked]).to_pylist()
    for at, row in enumerate(picked.tolist()):
        group, stale = int(cast.group[row]), random.random() < 0.35
        office = employers.groups[group]
        state = office.address.state_code
        phone, address = (a_phone(random, state), an_address(random, state)) if stale else (phones[at], office.address)
        suffix = names.suffix[at].as_py()
        fields = {
            "FirstName": names.first[at].as_py(),
            "LastName": names.last[at].as_py() + (f" {suffix}" if suffix else ""),
            "Email": emails[at],
            "Phone": phone_text(random, phone),
            **_address("Mailing", address),
        }
        account = f"group {group}" if group in groups else None
        yield OrgRecord("Contact", f"person {cast.person[row]}", fields, account, int(cast.person[row]), stale)


def _again(record: OrgRecord, random: Random) -> OrgRecord:
    """The same person entered a second time, with another phone."""
    phone = phone_text(random, a_phone(random, random.choice(STATES)))
    fields = {name: record.fields[name] for name in ("FirstName", "LastName", "Email")} | {"Phone": phone}
    return OrgRecord("Contact", f"{record.reference} again", fields, record.account, record.true_person, is_stale=True)


def _unrelated(random: Random) -> Iterator[OrgRecord]:
    for number in range(_UNRELATED):
        prospect = random.choice(_PROSPECTS)
        first, last = random.choice(tuple(vocabulary().first_names)), random.choice(vocabulary().last_names)
        domain = prospect.lower().replace(" ", "")
        fields = {
            "FirstName": first,
            "LastName": last,
            "Email": f"{first}.{last}{number}@{domain}.com".lower().replace("'", ""),
            "Title": random.choice(vocabulary().titles),
        }
        yield OrgRecord("Contact", f"unrelated {number}", fields, f"prospect {prospect}")
