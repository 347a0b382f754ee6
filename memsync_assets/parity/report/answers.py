"""What a report says first, to whom knows nothing: where, how bad, since when, who, what next."""

from __future__ import annotations

from memsync_assets.parity.causes import Cause
from memsync_assets.parity.report.figures import Figures, Total

#: Groups and causes that are named.
_GROUPS, _CAUSES = 3, 10


def headline(figures: Figures) -> str:
    """The verdict in one sentence."""
    totals = figures.totals
    wrong = [total for total in totals if total.differs]
    if not totals:
        return "No downstream system has delivered a load yet."
    if not wrong:
        return f"All {len(totals)} downstream systems agree with the source systems."
    worst = max(wrong, key=lambda total: total.difference)
    overdue = sum(total.overdue for total in totals)
    late = f" {overdue:,} discrepancies are overdue." if overdue else " No discrepancy is overdue."
    return (
        f"{len(wrong)} of {len(totals)} downstream systems differ; {worst.downstream_system} most, "
        f"in {worst.difference:,} of {worst.source_count:,} {figures.counted}.{late}"
    )


def answers(figures: Figures) -> list[tuple[str, str]]:
    """The five questions with their answers; none where nothing differs and nothing is open."""
    if not any(total.differs for total in figures.totals) and not figures.ageing:
        return []
    return [
        ("Where", _where(figures)),
        ("How bad", _how_bad(figures)),
        ("Since when", _since_when(figures)),
        ("Who", _who(figures)),
        ("What next", _what_next(figures)),
    ]


def causes(figures: Figures) -> list[Cause]:
    """The causes that have something in common, those first that explain most."""
    return [cause for cause in figures.causes if cause.pattern]


def _where(figures: Figures) -> str:
    groups = figures.groups_that_differ[:_GROUPS]
    if not groups:
        return ", ".join(total.downstream_system for total in figures.totals if total.differs) or "nowhere any more"
    named = (
        f"group {row['source_system']} {row['group_id']} in {row['downstream_system']}"
        f" ({row['findings'] or abs(row['variance']):,})"
        for row in groups
    )
    return f"most in {'; '.join(named)}"


def _how_bad(figures: Figures) -> str:
    return "; ".join(_difference(total, figures.counted) for total in figures.totals)


def _difference(total: Total, counted: str) -> str:
    if not total.differs:
        return f"{total.downstream_system} agrees"
    net = f"net {total.variance:+,}" if total.variance else "net 0"
    share = total.difference / total.source_count if total.source_count else 1.0
    return f"{total.downstream_system}: {total.difference:,} {counted} ({share:.2%}), {net}"


def _since_when(figures: Figures) -> str:
    oldest = min((total.oldest for total in figures.totals if total.oldest), default=None)
    opened, closed = (sum(getattr(total, name) for total in figures.totals) for name in ("opened", "closed"))
    moved = f"with this load {opened:,} opened and {closed:,} closed"
    return f"the oldest open discrepancy is of {oldest}; {moved}" if oldest else moved


def _who(figures: Figures) -> str:
    owners: dict[str, list[int]] = {}
    for row in figures.ageing:
        counts = owners.setdefault(row["owner"], [0, 0])
        counts[0] += row["discrepancies"]
        counts[1] += row["discrepancies"] if row["days_left"] < 0 else 0
    ranked = sorted(owners.items(), key=lambda item: (-item[1][1], -item[1][0], item[0]))
    return "; ".join(f"{owner}: {open_now:,} open, {late:,} overdue" for owner, (open_now, late) in ranked) or "nobody"


def _what_next(figures: Figures) -> str:
    found = causes(figures)[:_CAUSES]
    counting = [total.downstream_system for total in figures.totals if total.differs and not total.findings]
    if counting and not found:
        return f"{', '.join(counting)} only counts: have it deliver its members for the groups that differ"
    if not found:
        return "no findings have a cause in common: work the members off one by one, those first that are due first"
    share = sum(cause.share for cause in found)
    first = f"begin with {found[0].text} (owner {found[0].owner})"
    return (
        f"{first}. "
        + ("That explains" if len(found) == 1 else f"The first {len(found)} causes explain")
        + f" {share:.0%} of all findings"
    )
