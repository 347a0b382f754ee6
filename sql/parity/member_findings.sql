-- table: member_findings
-- grain: one row for each member and kind of finding of one comparison
-- key: source_system, member_id, kind
-- purpose: what is wrong with a member. The kinds missing to stale_dates exclude each other, in this order; duplicate
--   stands beside them. In flight: the source changed the member after the downstream system's cut-off
WITH plans AS (
    SELECT
        r.source_system,
        r.member_id,
        r.group_id,
        r.state_code,
        r.plan_code,
        SUM(CASE WHEN r.side = 'source' THEN 1 ELSE 0 END) AS source_rows,
        SUM(CASE WHEN r.side = 'downstream' THEN 1 ELSE 0 END) AS downstream_rows
    FROM compared_rows AS r
    GROUP BY r.source_system, r.member_id, r.group_id, r.state_code, r.plan_code
),

states AS (
    SELECT
        p.source_system,
        p.member_id,
        p.group_id,
        p.state_code,
        SUM(p.source_rows) AS source_rows,
        SUM(p.downstream_rows) AS downstream_rows,
        MAX(
            CASE
                WHEN p.source_rows > 0 AND p.downstream_rows = 0 THEN 1
                WHEN p.source_rows = 0 AND p.downstream_rows > 0 THEN 1
                ELSE 0
            END
        ) AS plans_differ
    FROM plans AS p
    GROUP BY p.source_system, p.member_id, p.group_id, p.state_code
),

employers AS (
    SELECT
        s.source_system,
        s.member_id,
        s.group_id,
        SUM(s.source_rows) AS source_rows,
        SUM(s.downstream_rows) AS downstream_rows,
        MAX(s.plans_differ) AS plans_differ,
        MAX(CASE WHEN s.downstream_rows > 1 THEN 1 ELSE 0 END) AS is_duplicate,
        MAX(
            CASE
                WHEN s.source_rows > 0 AND s.downstream_rows = 0 THEN 1
                WHEN s.source_rows = 0 AND s.downstream_rows > 0 THEN 1
                ELSE 0
            END
        ) AS states_differ
    FROM states AS s
    GROUP BY s.source_system, s.member_id, s.group_id
),

members AS (
    SELECT
        g.source_system,
        g.member_id,
        SUM(g.source_rows) AS source_rows,
        SUM(g.downstream_rows) AS downstream_rows,
        MAX(g.plans_differ) AS plans_differ,
        MAX(g.states_differ) AS states_differ,
        MAX(g.is_duplicate) AS is_duplicate,
        MAX(
            CASE
                WHEN g.source_rows > 0 AND g.downstream_rows = 0 THEN 1
                WHEN g.source_rows = 0 AND g.downstream_rows > 0 THEN 1
                ELSE 0
            END
        ) AS groups_differ
    FROM employers AS g
    GROUP BY g.source_system, g.member_id
),

spans AS (
    SELECT
        r.source_system,
        r.member_id,
        r.effective_date,
        r.termination_date,
        SUM(CASE WHEN r.side = 'source' THEN 1 ELSE 0 END) AS source_rows,
        SUM(CASE WHEN r.side = 'downstream' THEN 1 ELSE 0 END) AS downstream_rows
    FROM compared_rows AS r
    GROUP BY r.source_system, r.member_id, r.effective_date, r.termination_date
),

dates AS (
    SELECT DISTINCT
        d.source_system,
        d.member_id
    FROM spans AS d
    WHERE (d.source_rows > 0 AND d.downstream_rows = 0) OR (d.source_rows = 0 AND d.downstream_rows > 0)
),

found AS (
    SELECT
        m.source_system,
        m.member_id,
        CASE
            WHEN m.downstream_rows = 0 THEN 'missing'
            WHEN m.source_rows = 0 THEN 'extra'
            WHEN m.groups_differ = 1 THEN 'wrong_group'
            WHEN m.states_differ = 1 THEN 'wrong_state'
            WHEN m.plans_differ = 1 THEN 'wrong_plan'
            WHEN d.member_id IS NOT NULL THEN 'stale_dates'
        END AS kind
    FROM members AS m
    LEFT OUTER JOIN dates AS d ON m.source_system = d.source_system AND m.member_id = d.member_id
    UNION ALL
    SELECT
        m.source_system,
        m.member_id,
        'duplicate' AS kind
    FROM members AS m
    WHERE m.is_duplicate = 1
),

changed AS (
    SELECT DISTINCT
        s.source_system,
        s.member_id
    FROM source_members AS s
    WHERE s.changed_at > @cutoff_at
)

SELECT
    f.source_system,
    f.member_id,
    f.kind,
    CASE WHEN c.member_id IS NULL THEN 'N' ELSE 'Y' END AS in_flight
FROM found AS f
LEFT OUTER JOIN changed AS c ON f.source_system = c.source_system AND f.member_id = c.member_id
WHERE f.kind IS NOT NULL
