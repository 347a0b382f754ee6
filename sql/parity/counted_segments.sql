-- table: counted_segments
-- grain: one row for each side, source system, employer group in scope and state of a comparison with a system that
--   delivers counts
-- key: side, source_system, group_id, state_code
-- purpose: distinct active members of the source, and what the downstream system counted itself. Coarser levels are
--   sums of these, on both sides alike
SELECT
    'source' AS side,
    m.source_system,
    m.group_id,
    m.state_code,
    CAST(COUNT(DISTINCT m.member_id) AS BIGINT) AS row_count
FROM source_members AS m
INNER JOIN reconciliation_scope AS s ON m.source_system = s.source_system AND m.group_id = s.group_id
WHERE
    s.reconciliation = @reconciliation
    AND s.as_of = @as_of
    AND m.effective_date <= @as_of
    AND (m.termination_date IS NULL OR m.termination_date > @as_of)
GROUP BY m.source_system, m.group_id, m.state_code
UNION ALL
SELECT
    'downstream' AS side,
    c.source_system,
    c.group_id,
    c.state_code,
    c.member_count AS row_count
FROM downstream_counts AS c
INNER JOIN reconciliation_scope AS s ON c.source_system = s.source_system AND c.group_id = s.group_id
WHERE
    c.downstream_system = @downstream_system
    AND s.reconciliation = @reconciliation
    AND s.as_of = @as_of
