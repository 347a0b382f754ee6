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

varied AS (
    SELECT
        c.level,
        c.source_system,
        c.group_id,
        c.state_code,
        c.plan_code,
        c.source_count,
        c.downstream_count,
        c.downstream_count - c.source_count AS variance,
        COALESCE(e.in_flight, 0) AS in_flight,
        COALESCE(e.in_flight_variance, 0) AS in_flight_variance,
        COALESCE(e.findings, 0) AS findings,
        COALESCE(e.explained_variance, 0) AS explained_variance,
        ABS(c.downstream_count - c.source_count - COALESCE(e.in_flight_variance, 0)) AS held
    FROM cell_counts AS c
    LEFT OUTER JOIN explained AS e
        ON
            c.level = e.level
            AND c.source_system = e.source_system
            AND (c.group_id = e.group_id OR (c.group_id IS NULL AND e.group_id IS NULL))
            AND (c.state_code = e.state_code OR (c.state_code IS NULL AND e.state_code IS NULL))
            AND (c.plan_code = e.plan_code OR (c.plan_code IS NULL AND e.plan_code IS NULL))
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
    v.source_count,
    v.downstream_count,
    v.variance,
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
