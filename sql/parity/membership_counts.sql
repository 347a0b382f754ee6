-- table: membership_counts
-- grain: one row for each level and cell of one reconciliation, as-of date and downstream system
-- key: none
-- purpose: counts of distinct active members with variance = downstream - source. The status holds the variance that
--   is not in flight against the level's tolerance. unexplained is what the findings leave of the variance: always 0
WITH moves AS (
    SELECT
        l.level,
        c.source_system,
        CASE WHEN l.by_group = 'Y' THEN c.group_id END AS group_id,
        CASE WHEN l.by_state = 'Y' THEN c.state_code END AS state_code,
        CASE WHEN l.by_plan = 'Y' THEN c.plan_code END AS plan_code,
        c.member_id,
        MAX(c.in_source) AS in_source,
        MAX(c.in_downstream) AS in_downstream,
        MAX(c.in_flight) AS in_flight
    FROM discrepancy_cells AS c
    CROSS JOIN reconciliation_levels AS l
    WHERE
        c.reconciliation = @reconciliation
        AND c.as_of = @as_of
        AND c.downstream_system = @downstream_system
        AND l.reconciliation = @reconciliation
    GROUP BY
        l.level,
        c.source_system,
        CASE WHEN l.by_group = 'Y' THEN c.group_id END,
        CASE WHEN l.by_state = 'Y' THEN c.state_code END,
        CASE WHEN l.by_plan = 'Y' THEN c.plan_code END,
        c.member_id
),

explained AS (
    SELECT
        m.level,
        m.source_system,
        m.group_id,
        m.state_code,
        m.plan_code,
        SUM(m.in_downstream - m.in_source) AS explained_variance,
        SUM(CASE WHEN m.in_flight = 'Y' THEN m.in_downstream - m.in_source ELSE 0 END) AS in_flight_variance,
        SUM(CASE WHEN m.in_flight = 'Y' THEN 1 ELSE 0 END) AS in_flight,
        SUM(CASE WHEN m.in_flight = 'N' THEN 1 ELSE 0 END) AS findings
    FROM moves AS m
    GROUP BY m.level, m.source_system, m.group_id, m.state_code, m.plan_code
),

stacked AS (
    SELECT
        c.level,
        c.source_system,
        c.group_id,
        c.state_code,
        c.plan_code,
        c.source_count,
        c.downstream_count,
        0 AS in_flight,
        0 AS in_flight_variance,
        0 AS findings,
        0 AS explained_variance
    FROM cell_counts AS c
    UNION ALL
    SELECT
        e.level,
        e.source_system,
        e.group_id,
        e.state_code,
        e.plan_code,
        0 AS source_count,
        0 AS downstream_count,
        e.in_flight,
        e.in_flight_variance,
        e.findings,
        e.explained_variance
    FROM explained AS e
),

summed AS (
    SELECT
        t.level,
        t.source_system,
        t.group_id,
        t.state_code,
        t.plan_code,
        SUM(t.source_count) AS source_count,
        SUM(t.downstream_count) AS downstream_count,
        SUM(t.downstream_count) - SUM(t.source_count) AS variance,
        SUM(t.in_flight) AS in_flight,
        SUM(t.in_flight_variance) AS in_flight_variance,
        SUM(t.findings) AS findings,
        SUM(t.explained_variance) AS explained_variance
    FROM stacked AS t
    GROUP BY t.level, t.source_system, t.group_id, t.state_code, t.plan_code
),

varied AS (
    SELECT
        u.level,
        u.source_system,
        u.group_id,
        u.state_code,
        u.plan_code,
        u.source_count,
        u.downstream_count,
        u.variance,
        u.in_flight,
        u.in_flight_variance,
        u.findings,
        u.explained_variance,
        ABS(u.variance - u.in_flight_variance) AS held
    FROM summed AS u
)

SELECT
    @reconciliation AS reconciliation,
    CAST(@as_of AS DATE) AS as_of,
    @downstream_system AS downstream_system,
    v.level,
    v.source_system,
    v.group_id,
    v.state_code,
    v.plan_code,
    CAST(v.source_count AS BIGINT) AS source_count,
    CAST(v.downstream_count AS BIGINT) AS downstream_count,
    CAST(v.variance AS BIGINT) AS variance,
    CASE
        WHEN v.source_count > 0 THEN CAST(100 * v.variance AS DOUBLE PRECISION) / v.source_count
    END AS variance_pct,
    CAST(v.in_flight AS BIGINT) AS in_flight,
    CAST(v.in_flight_variance AS BIGINT) AS in_flight_variance,
    CAST(v.findings AS BIGINT) AS findings,
    CAST(v.variance - v.explained_variance AS BIGINT) AS unexplained,
    CASE
        WHEN v.held = 0 THEN 'match'
        WHEN v.held <= l.tolerated_members THEN 'within_tolerance'
        WHEN v.source_count > 0 AND 100.0 * v.held <= l.tolerated_pct * v.source_count THEN 'within_tolerance'
        ELSE 'beyond_tolerance'
    END AS status
FROM varied AS v
INNER JOIN reconciliation_levels AS l ON v.level = l.level AND l.reconciliation = @reconciliation
