"""SOQL against a plain Python evaluation of the same rows, and the parts that have no such twin."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memsync_assets.local_org import schema as schemas
from memsync_assets.local_org.date_literals import days
from memsync_assets.local_org.drafts import WriteOptions
from memsync_assets.local_org.errors import OrgError
from memsync_assets.local_org.oauth import ConnectedApp
from memsync_assets.local_org.org import Org, open_org

BASE = "/services/data/v63.0"
TEXTS = ["Ann", "ann", "BOB", "O'Hara", "50%_\\", "Zoë", None]
DAYS = [date(1980, 2, 29), date(1999, 12, 31), date(2001, 1, 1), None]
NUMBERS = [0, 1, 5000, None]
ROWS = [
    {
        "LastName": TEXTS[at % 6],
        "FirstName": TEXTS[(at // 2) % 7],
        "Birthdate": DAYS[(at // 3) % 4],
        "HasOptedOutOfEmail": at % 2 == 0,
        "Account.NumberOfEmployees": NUMBERS[(at // 4) % 4],
    }
    for at in range(84)
]


@pytest.fixture(scope="module")
def filled() -> Iterator[Org]:
    """Contacts of ROWS, of which every third has no account and so no number of employees either."""
    org = open_org(":memory:", schemas.load(), ConnectedApp())
    options = WriteOptions(org.user_id)
    for at, row in enumerate(ROWS):
        owner = None
        if row["Account.NumberOfEmployees"] is not None or at % 3:
            account = {"Name": "x", "NumberOfEmployees": row["Account.NumberOfEmployees"]}
            (saved,) = org.records.create(org.schema.sobject("Account"), [account], options)
            owner = saved.record_id
        contact = {name: value for name, value in row.items() if "." not in name and value is not None}
        contact |= {"AccountId": owner, "Person_Id__c": str(at)}
        if row["Birthdate"]:
            contact["Birthdate"] = str(row["Birthdate"])
        (saved,) = org.records.create(org.schema.sobject("Contact"), [contact], options)
        assert saved.error is None
    yield org
    org.store.close()


@dataclass(frozen=True)
class Twin:
    """A condition in SOQL and the same in Python."""

    soql: str
    holds: Callable[[dict[str, Any]], bool]


def literal(value: Any) -> str:
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return "null" if value is None else str(value)


def folded(value: Any) -> Any:
    """Text in the order and case of the org: ASCII letters alike in both cases."""
    return re.sub("[A-Z]", lambda letter: letter[0].lower(), value).encode() if isinstance(value, str) else value


FIELDS = {
    "LastName": TEXTS,
    "FirstName": TEXTS,
    "Birthdate": DAYS,
    "Account.NumberOfEmployees": NUMBERS,
}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a is not None and b is not None and a < b,
    "<=": lambda a, b: a is not None and b is not None and a <= b,
    ">": lambda a, b: a is not None and b is not None and a > b,
    ">=": lambda a, b: a is not None and b is not None and a >= b,
}


@st.composite
def comparisons(draw: st.DrawFn) -> Twin:
    name = draw(st.sampled_from(sorted(FIELDS)))
    operator = draw(st.sampled_from(sorted(COMPARE)))
    value = draw(st.sampled_from(FIELDS[name]))
    return Twin(f"{name} {operator} {literal(value)}", lambda row: COMPARE[operator](folded(row[name]), folded(value)))


@st.composite
def memberships(draw: st.DrawFn) -> Twin:
    name = draw(st.sampled_from(sorted(FIELDS)))
    values = draw(st.lists(st.sampled_from(FIELDS[name]), min_size=1, max_size=3))
    negated = draw(st.booleans())
    members = [folded(value) for value in values]
    soql = f"{name} {'NOT IN' if negated else 'IN'} ({', '.join(map(literal, values))})"
    return Twin(soql, lambda row: (folded(row[name]) in members) != negated)


@st.composite
def likes(draw: st.DrawFn) -> Twin:
    parts = draw(
        st.lists(st.sampled_from(["%", "_", "a", "n", "O", "'", "\\%", "\\_", "\\\\"]), min_size=1, max_size=4)
    )
    pattern = "".join({"%": ".*", "_": "."}.get(part, re.escape(part[-1])) for part in parts)
    soql = "FirstName LIKE '" + "".join("\\'" if part == "'" else part for part in parts) + "'"
    return Twin(
        soql,
        lambda row: re.fullmatch(pattern, row["FirstName"] or "", re.I | re.S) is not None and bool(row["FirstName"]),
    )


def joined(operator: str, parts: list[Twin]) -> Twin:
    decide = all if operator == "AND" else any
    soql = f" {operator} ".join(part.soql for part in parts)
    return Twin(f"({soql})", lambda row: decide(part.holds(row) for part in parts))


BOOLEANS = st.booleans().map(
    lambda value: Twin(f"HasOptedOutOfEmail = {value}", lambda row: row["HasOptedOutOfEmail"] is value)
)
CONDITIONS = st.recursive(
    st.one_of(comparisons(), memberships(), likes(), BOOLEANS),
    lambda inner: st.one_of(
        st.builds(joined, st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=2, max_size=3)),
        inner.map(lambda one: Twin(f"(NOT {one.soql})", lambda row: not one.holds(row))),
    ),
    max_leaves=6,
)


def run(org: Org, soql: str) -> list[dict[str, Any]]:
    return org.queries.run(soql, BASE).records


@settings(max_examples=300, deadline=None)
@given(CONDITIONS)
def test_any_condition_finds_what_python_finds(filled: Org, condition: Twin) -> None:
    found = run(filled, f"SELECT Person_Id__c FROM Contact WHERE {condition.soql}")
    assert {one["Person_Id__c"] for one in found} == {str(at) for at, row in enumerate(ROWS) if condition.holds(row)}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(FIELDS)), st.booleans(), st.booleans(), st.integers(0, 90), st.integers(0, 90))
def test_order_limit_and_offset_are_pythons(
    filled: Org, name: str, descending: bool, nulls_last: bool, limit: int, offset: int
) -> None:
    soql = (
        f"SELECT Person_Id__c FROM Contact ORDER BY {name} {'DESC' if descending else 'ASC'} "
        f"NULLS {'LAST' if nulls_last else 'FIRST'}, CreatedDate, Id LIMIT {limit} OFFSET {offset}"
    )
    known = [at for at, row in enumerate(ROWS) if row[name] is not None]
    blank = [at for at, row in enumerate(ROWS) if row[name] is None]
    known.sort(key=lambda at: folded(ROWS[at][name]), reverse=descending)
    wanted = [*known, *blank] if nulls_last else [*blank, *known]
    found = [int(one["Person_Id__c"]) for one in run(filled, soql)]
    assert found == wanted[offset : offset + limit]


@settings(max_examples=60, deadline=None)
@given(CONDITIONS, st.integers(0, 10))
def test_groups_are_counted_as_python_counts(filled: Org, condition: Twin, least: int) -> None:
    soql = (
        "SELECT HasOptedOutOfEmail flag, Birthdate, COUNT(Id) n FROM Contact "
        f"WHERE {condition.soql} GROUP BY HasOptedOutOfEmail, Birthdate HAVING COUNT(Id) > {least}"
    )
    counted = Counter(
        (row["HasOptedOutOfEmail"], str(row["Birthdate"]) if row["Birthdate"] else None)
        for row in ROWS
        if condition.holds(row)
    )
    found = {(one["flag"], one["Birthdate"]): one["n"] for one in run(filled, soql)}
    assert found == {group: count for group, count in counted.items() if count > least}


def test_count_without_a_field_gives_a_total_and_no_records(filled: Org) -> None:
    page = filled.queries.run("SELECT COUNT() FROM Contact WHERE HasOptedOutOfEmail = true", BASE)
    assert (page.total, page.records) == (42, [])


def test_children_come_with_their_parents(filled: Org) -> None:
    soql = "SELECT Id, (SELECT Person_Id__c FROM Contacts WHERE HasOptedOutOfEmail = true LIMIT 1) FROM Account"
    children = [one["Contacts"] for one in run(filled, soql)]
    assert {one["records"][0]["Person_Id__c"] for one in children if one} == {
        str(at)
        for at, row in enumerate(ROWS)
        if at % 2 == 0 and (row["Account.NumberOfEmployees"] is not None or at % 3)
    }


def test_a_semi_join_and_its_negation_are_complements(filled: Org) -> None:
    inner = "(SELECT AccountId FROM Contact WHERE HasOptedOutOfEmail = true)"
    some = {one["Id"] for one in run(filled, f"SELECT Id FROM Account WHERE Id IN {inner}")}
    others = {one["Id"] for one in run(filled, f"SELECT Id FROM Account WHERE Id NOT IN {inner}")}
    assert some
    assert not some & others
    assert len(some | others) == filled.queries.run("SELECT COUNT() FROM Account", BASE).total


def test_related_records_are_nested_and_null_where_there_is_none(filled: Org) -> None:
    (alone,) = run(filled, "SELECT Account.Owner.Name, Account.Name FROM Contact WHERE AccountId = null LIMIT 1")
    assert alone["Account"] is None
    soql = "SELECT c.Account.Owner.Name, c.Account.BillingAddress FROM Contact c WHERE c.AccountId != null LIMIT 1"
    (related,) = run(filled, soql)
    assert related["Account"]["Owner"]["Name"] == "Local Admin"
    assert related["Account"]["attributes"]["type"] == "Account"
    assert related["Account"]["BillingAddress"]["city"] is None


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("Roles INCLUDES ('Broker')", True),
        ("Roles INCLUDES ('Broker;Other', 'Decision Maker')", False),
        ("Roles INCLUDES ('Broker;Billing Contact')", True),
        ("Roles EXCLUDES ('Broker')", False),
        ("Roles EXCLUDES ('Other')", True),
    ],
)
def test_multipicklists_are_searched_by_their_values(org: Org, condition: str, found: bool) -> None:
    options = WriteOptions(org.user_id)
    (owner,) = org.records.create(org.schema.sobject("Account"), [{"Name": "x"}], options)
    contact = {"LastName": "x", "AccountId": owner.record_id}
    org.records.create(org.schema.sobject("Contact"), [contact], options)
    relation = org.schema.sobject("AccountContactRelation")
    (direct,) = run(org, "SELECT Id FROM AccountContactRelation")
    org.records.update(relation, [{"Id": direct["Id"], "Roles": "Broker;Billing Contact"}], options)
    assert bool(run(org, f"SELECT Id FROM AccountContactRelation WHERE {condition}")) is found


def test_date_literals_cover_the_days_they_name() -> None:
    today = date(2026, 11, 23)  # a Monday
    assert days("TODAY", None, today) == (today, today + timedelta(days=1))
    assert days("LAST_WEEK", None, today) == (date(2026, 11, 15), date(2026, 11, 22))
    assert days("THIS_MONTH", None, today) == (date(2026, 11, 1), date(2026, 12, 1))
    assert days("NEXT_QUARTER", None, today) == (date(2027, 1, 1), date(2027, 4, 1))
    assert days("LAST_N_DAYS", 2, today) == (date(2026, 11, 21), date(2026, 11, 24))
    assert days("LAST_N_MONTHS", 2, today) == (date(2026, 9, 1), date(2026, 11, 1))
    assert days("NEXT_N_YEARS", 2, today) == (date(2027, 1, 1), date(2029, 1, 1))
    assert days("N_DAYS_AGO", 3, today) == (date(2026, 11, 20), date(2026, 11, 21))
    with pytest.raises(OrgError, match="MALFORMED_QUERY"):
        days("SOMEDAY", None, today)


def test_date_literals_meet_date_times(filled: Org) -> None:
    everything = filled.queries.run("SELECT COUNT() FROM Contact", BASE).total
    for condition in ("= TODAY", ">= YESTERDAY", "< TOMORROW", "= LAST_N_DAYS:1", "!= LAST_YEAR"):
        soql = f"SELECT COUNT() FROM Contact WHERE CreatedDate {condition}"
        assert filled.queries.run(soql, BASE).total == everything, condition
    moment = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    soql = f"SELECT COUNT() FROM Contact WHERE SystemModstamp > {moment}"
    assert filled.queries.run(soql, BASE).total == 0


def test_an_error_points_at_its_place(filled: Org) -> None:
    with pytest.raises(OrgError) as caught:
        run(filled, "SELECT Id,\n  Nothing__c FROM Contact")
    assert caught.value.message.startswith("\n  Nothing__c FROM Contact\n  ^\nERROR at Row:2:Column:3\nNo such column")


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Id, Id FROM Contact", "INVALID_FIELD"),
        ("SELECT LastName n FROM Contact", "MALFORMED_QUERY"),
        ("SELECT * FROM Contact", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE", "MALFORMED_QUERY"),
        ("SELECT toLabel(LastName) FROM Contact", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
        ("SELECT Plan.Name FROM Contact", "INVALID_FIELD"),
        ("SELECT Id, (SELECT Id FROM Plans) FROM Account", "INVALID_TYPE"),
        ("SELECT Id, (SELECT Nothing__c FROM Contacts) FROM Account WHERE Id = null", "INVALID_FIELD"),
        ("SELECT Id, (SELECT COUNT() FROM Contacts) FROM Account", "MALFORMED_QUERY"),
        ("SELECT COUNT(Id), (SELECT Id FROM Contacts) FROM Account", "MALFORMED_QUERY"),
        ("SELECT COUNT(), LastName FROM Contact", "MALFORMED_QUERY"),
        ("SELECT COUNT() FROM Contact GROUP BY LastName", "MALFORMED_QUERY"),
        ("SELECT FirstName, COUNT(Id) FROM Contact GROUP BY LastName", "MALFORMED_QUERY"),
        ("SELECT Description FROM Contact GROUP BY Description", "MALFORMED_QUERY"),
        ("SELECT SUM(LastName) FROM Contact", "INVALID_FIELD"),
        ("SELECT Id FROM Contact ORDER BY Description", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Description = 'x'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE COUNT(Id) > 1", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE Id LIKE '003%'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Contact WHERE Id = 'x'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Contact WHERE LastName INCLUDES ('x')", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Contact WHERE LastName INCLUDES (SELECT Id FROM Account)", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE HasOptedOutOfEmail = 'true'", "INVALID_FIELD"),
        ("SELECT Id FROM Contact WHERE Birthdate = 2001-02-29", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE CreatedDate > 2020-13-01T00:00:00Z", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE CreatedDate > LAST_N_YEARS:99999", "MALFORMED_QUERY"),
        ("SELECT Id FROM Contact WHERE LastName = TODAY", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Id IN (SELECT LastName FROM Contact)", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE Id IN (SELECT AccountId FROM Contact LIMIT 1)", "MALFORMED_QUERY"),
        ("SELECT FIELDS(SOME) FROM Contact", "MALFORMED_QUERY"),
        ("SELECT FIELDS(CUSTOM) FROM Contact LIMIT 201", "MALFORMED_QUERY"),
    ],
)
def test_what_soql_does_not_allow_is_refused_as_salesforce_does(filled: Org, soql: str, code: str) -> None:
    with pytest.raises(OrgError) as caught:
        run(filled, soql)
    assert (caught.value.code, caught.value.status) == (code, 400)


def test_fields_stands_for_all_the_standard_or_the_custom_ones(filled: Org) -> None:
    contact = filled.schema.sobject("Contact")
    names = {field.name for field in contact.fields}
    custom = {name for name in names if name.endswith("__c")}
    for chosen, wanted in (("ALL", names), ("STANDARD", names - custom), ("CUSTOM", custom)):
        (record,) = run(filled, f"SELECT FIELDS({chosen}) FROM Contact LIMIT 1")
        assert set(record) == wanted | {"attributes"}


def test_an_aliased_object_and_numbers_beyond_any_field(filled: Org) -> None:
    soql = "SELECT COUNT(c.Id) n, MAX(c.Account.NumberOfEmployees) m FROM Contact c WHERE c.LastName != null"
    assert [(one["n"], one["m"]) for one in run(filled, soql)] == [(84, 5000)]
    assert run(filled, f"SELECT Id FROM Account WHERE NumberOfEmployees >= {10**30} LIMIT {10**30}") == []


ALPHABET = ["SELECT", "FROM", "WHERE", "(", ")", ",", "Id", "Contact", "Contacts", "Account", "COUNT", "FIELDS", "ALL",
            "=", "IN", "NOT", "AND", "LIKE", "'x'", "5", "null", "TODAY", "2020-01-01", "GROUP", "BY", "ORDER",
            "LIMIT", ".", "LastName", "Birthdate", "HAVING", "OFFSET", ">", "INCLUDES", "NULLS", "LAST"]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(ALPHABET), max_size=14), st.booleans())
def test_any_text_is_a_query_or_a_refusal(filled: Org, words: list[str], likely: bool) -> None:
    """Never a defect of ours: whatever is not refused runs."""
    text = ("SELECT Id FROM Contact WHERE " if likely else "") + " ".join(words)
    code = None
    try:
        run(filled, text)
    except OrgError as refused:
        code = refused.code
    assert code in (None, "MALFORMED_QUERY", "INVALID_FIELD", "INVALID_TYPE", "INVALID_QUERY_FILTER_OPERATOR")
