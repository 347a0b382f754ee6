-- table: cell_counts
-- grain: one row for each level and cell of one comparison
-- key: none
-- purpose: distinct members of each cell on both sides, at every level of the reconciliation
WITH cells AS (
    SELECT
        l.level,
        r.side,
        r.source_system,
        CASE WHEN l.by_group = 'Y' THEN r.group_id END AS group_id,
        CASE WHEN l.by_state = 'Y' THEN r.state_code END AS state_code,
        CASE WHEN l.by_plan = 'Y' THEN r.plan_code END AS plan_code,
        r.member_id
    FROM compared_rows AS r
    CROSS JOIN reconciliation_levels AS l
    WHERE l.reconciliation = @reconciliation
)

SELECT
    c.level,
    c.source_system,
    c.group_id,
    c.state_code,
    c.plan_code,
    COUNT(DISTINCT CASE WHEN c.side = 'source' THEN c.member_id END) AS source_count,
    COUNT(DISTINCT CASE WHEN c.side = 'downstream' THEN c.member_id END) AS downstream_count
FROM cells AS c
GROUP BY c.level, c.source_system, c.group_id, c.state_code, c.plan_code
