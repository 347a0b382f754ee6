"""The words of a report and what they mean, as workbook and page print them. Source of the rules: README, "Parity"."""

DEFINITIONS = (
    ("active", "effective_date <= as-of date, and termination_date empty or later than the as-of date."),
    ("scope", "The employer groups that are compared. Only rows of groups in scope count, on either side."),
    ("source members", "Distinct active members of the cell in the source system."),
    ("downstream members", "Distinct active members of the cell in the downstream system."),
    ("variance (net)", "Downstream members less source members. Differences in both directions cancel out."),
    ("findings (gross)", "Members of the cell with a finding that is not in flight. Nothing cancels out."),
    ("in flight", "The source changed the member after the downstream system's cut-off: no discrepancy yet."),
    ("status", "The variance that is not in flight against the level's tolerance: match, within or beyond it."),
    ("missing", "Active in the source, not in the downstream system."),
    ("extra", "Active in the downstream system, not in the source."),
    ("duplicate", "More than one active row of the member in one group and state of the downstream system."),
    ("wrong_group", "On both sides, in different employer groups."),
    ("wrong_state", "On both sides, in the same groups, in different states."),
    ("wrong_plan", "On both sides, in the same groups and states, with different plan codes."),
    ("stale_dates", "On both sides and alike in all of that, with different effective or termination dates."),
    ("cause", "What clearly more findings of a kind have in common than chance would bring: where to begin."),
    ("due", "Business days after the discrepancy opened, holidays left out; fixed when it opens."),
    ("closed", "A later load showed agreement, or the group left the scope."),
)
