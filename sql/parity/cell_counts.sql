-- table: cell_counts
-- grain: one row for each level and cell of one comparison
-- key: none
-- purpose: distinct members of each cell on both sides, at every level: the rows of its segments, less what members
--   with several rows in the cell are too many. All such members are among the compared rows
WITH counted AS (
    SELECT
        l.level,
        s.side,
        s.source_system,
        CASE WHEN l.by_group = 'Y' THEN s.group_id END AS group_id,
        CASE WHEN l.by_state = 'Y' THEN s.state_code END AS state_code,
        CASE WHEN l.by_plan = 'Y' THEN s.plan_code END AS plan_code,
        s.row_count AS members
    FROM segments AS s
    CROSS JOIN reconciliation_levels AS l
    WHERE l.reconciliation = @reconciliation
),

several AS (
    SELECT
        r.side,
        r.source_system,
        r.member_id
    FROM compared_rows AS r
    GROUP BY r.side, r.source_system, r.member_id
    HAVING COUNT(*) > 1
),

looked_at AS (
    SELECT
        l.level,
        r.side,
        r.source_system,
        CASE WHEN l.by_group = 'Y' THEN r.group_id END AS group_id,
        CASE WHEN l.by_state = 'Y' THEN r.state_code END AS state_code,
        CASE WHEN l.by_plan = 'Y' THEN r.plan_code END AS plan_code,
        r.member_id
    FROM compared_rows AS r
    INNER JOIN several AS v ON r.side = v.side AND r.source_system = v.source_system AND r.member_id = v.member_id
    CROSS JOIN reconciliation_levels AS l
    WHERE l.reconciliation = @reconciliation
),

repeated AS (
    SELECT
        a.level,
        a.side,
        a.source_system,
        a.group_id,
        a.state_code,
        a.plan_code,
        COUNT(DISTINCT a.member_id) - COUNT(*) AS members
    FROM looked_at AS a
    GROUP BY a.level, a.side, a.source_system, a.group_id, a.state_code, a.plan_code
),

summed AS (
    SELECT
        c.level,
        c.side,
        c.source_system,
        c.group_id,
        c.state_code,
        c.plan_code,
        c.members
    FROM counted AS c
    UNION ALL
    SELECT
        p.level,
        p.side,
        p.source_system,
        p.group_id,
        p.state_code,
        p.plan_code,
        p.members
    FROM repeated AS p
)

SELECT
    u.level,
    u.source_system,
    u.group_id,
    u.state_code,
    u.plan_code,
    CAST(SUM(CASE WHEN u.side = 'source' THEN u.members ELSE 0 END) AS BIGINT) AS source_count,
    CAST(SUM(CASE WHEN u.side = 'downstream' THEN u.members ELSE 0 END) AS BIGINT) AS downstream_count
FROM summed AS u
GROUP BY u.level, u.source_system, u.group_id, u.state_code, u.plan_code
