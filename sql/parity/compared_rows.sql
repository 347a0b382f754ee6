-- table: compared_rows
-- grain: one row for each active row of a group in scope, in the source system or in the downstream system
-- key: none
-- purpose: both sides of one comparison. A member whose row left or entered the scope is on one side only
SELECT
    'source' AS side,
    m.source_system,
    m.member_id,
    m.group_id,
    m.state_code,
    m.plan_code,
    m.effective_date,
    m.termination_date
FROM source_members AS m
INNER JOIN reconciliation_scope AS s ON m.source_system = s.source_system AND m.group_id = s.group_id
WHERE
    s.reconciliation = @reconciliation
    AND s.as_of = @as_of
    AND m.effective_date <= @as_of
    AND (m.termination_date IS NULL OR m.termination_date > @as_of)
UNION ALL
SELECT
    'downstream' AS side,
    m.source_system,
    m.member_id,
    m.group_id,
    m.state_code,
    m.plan_code,
    m.effective_date,
    m.termination_date
FROM downstream_members AS m
INNER JOIN reconciliation_scope AS s ON m.source_system = s.source_system AND m.group_id = s.group_id
WHERE
    m.downstream_system = @downstream_system
    AND s.reconciliation = @reconciliation
    AND s.as_of = @as_of
    AND m.effective_date <= @as_of
    AND (m.termination_date IS NULL OR m.termination_date > @as_of)
