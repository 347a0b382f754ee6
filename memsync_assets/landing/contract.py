"""The tables that systems deliver: their columns, types and keys. The project's public interface (see README)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from memsync_assets.settings import Role

#: id: text, trimmed, an empty one is null. state: an id that names a US state or territory. flag: Y or N.
#: count: a whole number from 0.
ColumnKind = Literal["id", "state", "text", "flag", "date", "timestamp", "count"]

#: States, the District, territories, and the armed forces' postal codes (USPS Publication 28, appendix B).
_STATES = (
    "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK "
    "OR PA RI SC SD TN TX UT VT VA WA WV WI WY AS GU MP PR VI UM FM MH PW AA AE AP"
)
STATE_CODES = frozenset(_STATES.split())


@dataclass(frozen=True)
class Column:
    """A column of a table; a nullable one may also be absent."""

    name: str
    kind: ColumnKind
    nullable: bool = False

    @property
    def longest(self) -> int | None:
        """The UTF-16 units that a server's column has room for; None: any text. Ids and names are keys and labels."""
        if self.kind == "id":
            return 100
        return 400 if self.kind == "text" and not self.nullable else None


@dataclass(frozen=True)
class TableContract:
    """A table that a load may bring.

    Attributes:
        name: as the manifest names it.
        mart_table: where its rows are kept, under the column `owner_column` = the system.
        columns: in the mart's names.
        delta_key: what a delta is applied on.
        unique: whether a repeated key is refused.
    """

    name: str
    mart_table: str
    owner_column: str
    columns: tuple[Column, ...]
    delta_key: tuple[str, ...]
    unique: bool = True


def _columns(text: str) -> tuple[Column, ...]:
    """Columns written as `name:kind`, with `?` behind a nullable one."""
    columns = []
    for word in text.split():
        name, kind = word.removesuffix("?").split(":")
        columns.append(Column(name, kind, word.endswith("?")))  # type: ignore[arg-type]
    return tuple(columns)


_MEMBER_COLUMNS = (
    "member_id:id subscriber_id:id? group_id:id org_unit_id:id? state_code:state plan_code:id? "
    "effective_date:date termination_date:date? changed_at:timestamp?"
)
_ADDRESS = "address_line1:text? address_line2:text? city:text? state_code:text? postal_code:text?"

_SOURCE = (
    TableContract(
        "members", "source_members", "source_system", _columns(_MEMBER_COLUMNS), ("member_id", "effective_date")
    ),
    TableContract(
        "groups",
        "employer_groups",
        "source_system",
        _columns(
            f"group_id:id group_name:text org_unit_id:id? ihm_indicator:flag? {_ADDRESS} phone:text? "
            "updated_at:timestamp?"
        ),
        ("group_id",),
    ),
    TableContract(
        "org_units",
        "org_units",
        "source_system",
        _columns("org_unit_id:id parent_org_unit_id:id? org_unit_name:text tax_id:id?"),
        ("org_unit_id",),
    ),
    TableContract(
        "contacts",
        "source_contacts",
        "source_system",
        _columns(
            "contact_id:id full_name:text? first_name:text? last_name:text? title:text? email:text? phone:text? "
            f"phone_ext:text? mobile:text? {_ADDRESS} updated_at:timestamp? is_active:flag?"
        ),
        ("contact_id",),
    ),
    TableContract(
        "contact_roles",
        "source_contact_roles",
        "source_system",
        _columns("contact_id:id group_id:id role_code:id is_primary:flag? effective_date:date? termination_date:date?"),
        ("contact_id", "group_id", "role_code"),
    ),
)
_DOWNSTREAM = (
    TableContract(
        "members",
        "downstream_members",
        "downstream_system",
        _columns(f"source_system:id {_MEMBER_COLUMNS}"),
        ("source_system", "member_id", "effective_date"),
        unique=False,
    ),
    # In place of members, where a system only counts them: distinct members that are active on the load's as-of date.
    TableContract(
        "member_counts",
        "downstream_counts",
        "downstream_system",
        _columns("source_system:id group_id:id state_code:state member_count:count"),
        ("source_system", "group_id", "state_code"),
    ),
)


def contracts(role: Role) -> dict[str, TableContract]:
    """The tables that a system of this role may deliver, by name."""
    return {table.name: table for table in (_SOURCE if role == "source" else _DOWNSTREAM)}
