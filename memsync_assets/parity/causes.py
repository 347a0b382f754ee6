"""Likely causes: what many findings have in common, so that ten causes are worked off and not ten thousand rows.

The findings of one kind at one downstream system are searched for what they share: group, state, plans, the day on
which the source changed. A pattern is a likely cause when clearly more findings have it than its share of the members
would bring by chance. The strongest is taken, its findings are set aside, and the search goes on. What is left has no
common cause. No pattern names a member, and none stands for fewer than `_LEAST_EXCESS` members.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from math import prod, sqrt

from memsync_assets.mart.engine import Mart

_LEAST_EXCESS = 5
_LEAST_LIFT = 2.0
#: Standard deviations of a count by chance (Poisson): many patterns are tried, so few would be too few.
_LEAST_DEVIATIONS = 4.0
#: A further attribute is worth a tenth: it is named when it holds for nearly all of the findings.
_WORTH_OF_ATTRIBUTE = 0.1
_CAUSES_OF_KIND = 5

_FINDINGS = """
WITH plans AS (
    SELECT
        c.downstream_system,
        c.source_system,
        c.member_id,
        MIN(CASE WHEN c.in_source = 1 THEN c.plan_code END) AS source_plan,
        MIN(CASE WHEN c.in_downstream = 1 THEN c.plan_code END) AS downstream_plan
    FROM discrepancy_cells AS c
    WHERE c.reconciliation = @reconciliation AND c.as_of = @as_of AND c.in_flight = 'N'
    GROUP BY c.downstream_system, c.source_system, c.member_id
),

changes AS (
    SELECT
        m.source_system,
        m.member_id,
        MAX(m.changed_at) AS changed_at
    FROM source_members AS m
    INNER JOIN (SELECT DISTINCT p.source_system, p.member_id FROM plans AS p) AS w
        ON m.source_system = w.source_system AND m.member_id = w.member_id
    GROUP BY m.source_system, m.member_id
)

SELECT
    d.downstream_system,
    d.kind,
    d.source_system,
    d.source_group_id,
    d.downstream_group_id,
    d.source_state_code,
    d.downstream_state_code,
    p.source_plan,
    p.downstream_plan,
    CAST(g.changed_at AS DATE) AS changed_on
FROM discrepancies AS d
LEFT OUTER JOIN plans AS p
    ON
        d.downstream_system = p.downstream_system
        AND d.source_system = p.source_system
        AND d.member_id = p.member_id
LEFT OUTER JOIN changes AS g ON d.source_system = g.source_system AND d.member_id = g.member_id
WHERE d.reconciliation = @reconciliation AND d.as_of = @as_of AND d.in_flight = 'N'
"""
_SEGMENTS = """
SELECT
    m.source_system,
    m.group_id,
    m.state_code,
    m.plan_code,
    CAST(m.changed_at AS DATE) AS changed_on,
    COUNT(*) AS members
FROM source_members AS m
INNER JOIN reconciliation_scope AS s ON m.source_system = s.source_system AND m.group_id = s.group_id
WHERE
    s.reconciliation = @reconciliation
    AND s.as_of = @as_of
    AND m.effective_date <= @as_of
    AND (m.termination_date IS NULL OR m.termination_date > @as_of)
GROUP BY m.source_system, m.group_id, m.state_code, m.plan_code, CAST(m.changed_at AS DATE)
"""


@dataclass(frozen=True)
class Traits:
    """What a finding may have in common with others. A group is `source_system group_id`; changes read `A > B`."""

    source_system: str
    group: str
    state: str
    plan: str
    changed_on: str


_ATTRIBUTES = tuple(f.name for f in fields(Traits))
#: What is searched for, as attributes that go together.
_PATTERNS = (
    ("source_system",),
    ("group",),
    ("state",),
    ("plan",),
    ("changed_on",),
    ("group", "plan"),
    ("group", "state"),
    ("group", "changed_on"),
    ("plan", "changed_on"),
    ("source_system", "changed_on"),
    ("group", "plan", "changed_on"),
)
Pattern = tuple[tuple[str, str], ...]
Shares = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Cause:
    """What findings of a kind have in common. An empty pattern: nothing that stands out."""

    downstream_system: str
    kind: str
    pattern: Pattern
    findings: int
    share: float

    @property
    def text(self) -> str:
        """In words, e.g. `group heritage_tx HT-0088, plan PPO > HMO, changed 2026-11-15`."""
        words = {"source_system": "source", "changed_on": "changed on"}
        return ", ".join(f"{words.get(name, name)} {value}" for name, value in self.pattern) or "no common cause"


def likely_causes(mart: Mart, reconciliation: str, as_of: date) -> list[Cause]:
    """The likely causes of the findings that are not in flight, the largest first."""
    parameters = {"reconciliation": reconciliation, "as_of": as_of}
    by_kind: dict[tuple[str, str], list[Traits]] = defaultdict(list)
    for row in mart.fetch(_FINDINGS, parameters).to_pylist():
        by_kind[row["downstream_system"], row["kind"]].append(_traits(row))
    if not by_kind:
        return []
    shares = _shares(mart.fetch(_SEGMENTS, parameters).to_pylist())
    found = [cause for (system, kind), traits in by_kind.items() for cause in causes_of(system, kind, traits, shares)]
    return sorted(found, key=lambda cause: (-cause.findings, cause.downstream_system, cause.kind, cause.pattern))


def causes_of(downstream_system: str, kind: str, findings: Sequence[Traits], shares: Shares) -> list[Cause]:
    """The causes of one kind; their findings add up to those given.

    Args:
        shares: for each attribute and value its share of the members in scope.
    """
    left = list(findings)
    causes: list[Cause] = []
    while len(causes) < _CAUSES_OF_KIND and (pattern := _strongest(left, shares)):
        explained, left = _split(left, pattern)
        causes.append(Cause(downstream_system, kind, pattern, explained, explained / len(findings)))
    if left:
        causes.append(Cause(downstream_system, kind, (), len(left), len(left) / len(findings)))
    return causes


def _strongest(findings: Sequence[Traits], shares: Shares) -> Pattern | None:
    best, best_score = None, 0.0
    for attributes in _PATTERNS:
        counted = Counter(tuple(getattr(finding, name) for name in attributes) for finding in findings)
        for values, count in counted.items():
            if "" in values:
                continue
            pattern = tuple(zip(attributes, values, strict=True))
            expected = len(findings) * _chance(pattern, shares)
            excess = count - expected
            if excess < max(_LEAST_EXCESS, _LEAST_DEVIATIONS * sqrt(expected)) or count < _LEAST_LIFT * expected:
                continue
            score = excess * (1 + _WORTH_OF_ATTRIBUTE * len(attributes))
            if score > best_score:
                best, best_score = pattern, score
    return best


def _chance(pattern: Pattern, shares: Shares) -> float:
    """The share of findings that would have a pattern if its attributes were independent and values fell by chance."""
    return prod(_chance_of(value, shares.get(name, {})) for name, value in pattern)


def _chance_of(value: str, shares: Mapping[str, float]) -> float:
    """Of a change `A > B`: that a member has A, and, not keeping it, falls to B."""
    before, changed, after = value.partition(" > ")
    share = shares.get(before, 0.0)
    if not changed or share >= 1:
        return share if not changed else 0.0
    return share * shares.get(after, 0.0) / (1 - share)


def _split(findings: Sequence[Traits], pattern: Pattern) -> tuple[int, list[Traits]]:
    rest = [finding for finding in findings if any(getattr(finding, name) != value for name, value in pattern)]
    return len(findings) - len(rest), rest


def _traits(row: Mapping[str, object]) -> Traits:
    system = str(row["source_system"])
    group = _change(row["source_group_id"], row["downstream_group_id"])
    return Traits(
        source_system=system,
        group=f"{system} {group}",
        state=_change(row["source_state_code"], row["downstream_state_code"]),
        plan=_change(row["source_plan"], row["downstream_plan"]),
        changed_on=str(row["changed_on"] or ""),
    )


def _change(source: object, downstream: object) -> str:
    if source is None or downstream is None or source == downstream:
        return str(source if source is not None else downstream if downstream is not None else "")
    return f"{source} > {downstream}"


def _shares(segments: Iterable[Mapping[str, object]]) -> Shares:
    members: dict[str, Counter[str]] = {name: Counter() for name in _ATTRIBUTES}
    total = 0
    for row in segments:
        count = int(str(row["members"]))
        total += count
        system = str(row["source_system"])
        values = (system, f"{system} {row['group_id']}", row["state_code"], row["plan_code"], row["changed_on"])
        for name, value in zip(_ATTRIBUTES, values, strict=True):
            members[name][str(value or "")] += count
    return {name: {value: count / total for value, count in of.items()} for name, of in members.items()}
