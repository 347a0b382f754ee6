-- table: segments
-- grain: one row for each side, source system, employer group, state and plan of one comparison
-- key: none
-- purpose: rows of each segment, from which the counts of every level follow; here from rows that were all compared
SELECT
    r.side,
    r.source_system,
    r.group_id,
    r.state_code,
    r.plan_code,
    COUNT(*) AS row_count
FROM compared_rows AS r
GROUP BY r.side, r.source_system, r.group_id, r.state_code, r.plan_code
