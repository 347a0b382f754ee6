"""The words of a report: what they mean, and what to do next. Source of the rules: README, "Parity"."""

from __future__ import annotations

from collections.abc import Sequence

from memsync_assets.settings import Kind

_DEFINITIONS = (
    ("active", "effective_date <= as-of date, and termination_date empty or later than the as-of date."),
    ("scope", "The employer groups that are compared. Only rows of groups in scope count, on either side."),
    ("source {counted}", "Distinct active {counted} of the cell in the source system."),
    ("downstream {counted}", "Distinct active {counted} of the cell in the downstream system."),
    ("cell", "What is counted by itself: a source system, one of its groups, a state of a group, or a plan."),
    ("variance (net)", "Downstream {counted} less source {counted}. Differences in both directions cancel out."),
    ("findings (gross)", "{Counted} of the cell with a finding that is not in flight. Nothing cancels out."),
    ("in flight", "The source changed it after the downstream system's cut-off: no discrepancy yet."),
    ("status", "The variance that is not in flight against the level's tolerance: match, within or beyond it."),
    ("missing", "Active in the source, not in the downstream system."),
    ("extra", "Active in the downstream system, not in the source."),
    ("duplicate", "More than one active row in one group and state of the downstream system."),
    ("wrong_group", "On both sides, in different employer groups."),
    ("wrong_state", "On both sides, in the same groups, in different states."),
    ("wrong_plan", "On both sides, in the same groups and states, with different plan codes."),
    ("stale_dates", "On both sides and alike in all of that, with different effective or termination dates."),
    ("cause", "What clearly more findings of a kind have in common than chance would bring: where to begin."),
    ("due", "Business days after the discrepancy opened, holidays left out; fixed when it opens."),
    (
        "closed",
        "A later load showed agreement, or the group left the scope, or another kind took over, due when this one was.",
    ),
    ("drift", "What is odd about a load even where all systems agree; each system against its own earlier loads."),
    ("jump", "A group changed by more than 5 MAD (and 1%, and five members) from what is usual; needs 8 changes."),
    ("watch", "A group drifts slowly: an EWMA of its changes is beyond its limit; needs 16 changes."),
    ("late", "The system's last load is of an earlier as-of date than another system's."),
    ("partial", "The system's last full load has less than half of the members' rows of the one before."),
    ("stale", "Two loads of the system running count the same in every group."),
)
_SUBSCRIBER = (
    "subscriber",
    "A row's subscriber, or the member where it has none. A subscriber with its dependents counts as one.",
)
_NEXT_STEPS: dict[Kind, str] = {
    "missing": "Find the filter or file of {system}'s load that drops them, and have them loaded again.",
    "extra": "See whether terminations reach {system}, and have them ended there.",
    "duplicate": "See what {system}'s load takes for the key, and have the repeated rows removed.",
    "wrong_group": "See how {system} maps group numbers, and have the source's group taken over.",
    "wrong_state": "See which address {system}'s load reads, and have the source's state taken over.",
    "wrong_plan": "See whether plan changes reach {system}, and have the source's plan taken over.",
    "stale_dates": "See whether changes of dates reach {system}, and have these spans loaded again.",
}


def definitions(counted: str) -> Sequence[tuple[str, str]]:
    """The words of a report that counts members or subscribers, each with its meaning."""
    words = {"counted": counted, "Counted": counted.capitalize()}
    told = [(word.format(**words), meaning.format(**words)) for word, meaning in _DEFINITIONS]
    return [*told, _SUBSCRIBER] if counted == "subscribers" else told


def next_step(kind: Kind, downstream_system: str) -> str:
    """What who works findings of a kind off does first."""
    return _NEXT_STEPS[kind].format(system=downstream_system)
