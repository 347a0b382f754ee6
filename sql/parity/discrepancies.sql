-- table: discrepancies
-- grain: one row for each member and kind of finding of one comparison
-- key: reconciliation, as_of, downstream_system, source_system, member_id, kind
-- purpose: every difference explained by member. Where a side has the member in several places, groups and states are
--   lists of equal length, place by place and separated by ; and a value that all places share stands once
WITH cells AS (
    SELECT
        c.source_system,
        c.member_id,
        c.group_id,
        c.state_code,
        c.in_source,
        c.in_downstream
    FROM discrepancy_cells AS c
    WHERE
        c.reconciliation = @reconciliation AND c.as_of = @as_of AND c.downstream_system = @downstream_system
),

places AS (
    SELECT
        'source' AS side,
        s.source_system,
        s.member_id,
        s.group_id,
        s.state_code,
        CONCAT(s.group_id, s.state_code) AS sort_key
    FROM cells AS s
    WHERE s.in_source = 1
    UNION
    SELECT
        'downstream' AS side,
        d.source_system,
        d.member_id,
        d.group_id,
        d.state_code,
        CONCAT(d.group_id, d.state_code) AS sort_key
    FROM cells AS d
    WHERE d.in_downstream = 1
),

several AS (
    SELECT
        p.side,
        p.source_system,
        p.member_id
    FROM places AS p
    GROUP BY p.side, p.source_system, p.member_id
    HAVING COUNT(*) > 1
),

located AS (
    SELECT
        p.side,
        p.source_system,
        p.member_id,
        p.group_id,
        p.state_code
    FROM places AS p
    LEFT OUTER JOIN several AS v
        ON p.side = v.side AND p.source_system = v.source_system AND p.member_id = v.member_id
    WHERE v.member_id IS NULL
    UNION ALL
    SELECT
        p.side,
        p.source_system,
        p.member_id,
        CASE
            WHEN MIN(p.group_id) = MAX(p.group_id) THEN MIN(p.group_id)
            ELSE
                STRING_AGG(CAST(p.group_id AS NVARCHAR(MAX)), ';') WITHIN GROUP (ORDER BY p.sort_key ASC)
        END AS group_id,
        CASE
            WHEN MIN(p.state_code) = MAX(p.state_code) THEN MIN(p.state_code)
            ELSE
                STRING_AGG(CAST(p.state_code AS NVARCHAR(MAX)), ';') WITHIN GROUP (ORDER BY p.sort_key ASC)
        END AS state_code
    FROM places AS p
    INNER JOIN several AS v ON p.side = v.side AND p.source_system = v.source_system AND p.member_id = v.member_id
    GROUP BY p.side, p.source_system, p.member_id
)

SELECT
    @reconciliation AS reconciliation,
    CAST(@as_of AS DATE) AS as_of,
    @downstream_system AS downstream_system,
    f.source_system,
    f.member_id,
    f.kind,
    s.group_id AS source_group_id,
    d.group_id AS downstream_group_id,
    s.state_code AS source_state_code,
    d.state_code AS downstream_state_code,
    f.in_flight
FROM member_findings AS f
LEFT OUTER JOIN located AS s
    ON f.source_system = s.source_system AND f.member_id = s.member_id AND s.side = 'source'
LEFT OUTER JOIN located AS d
    ON f.source_system = d.source_system AND f.member_id = d.member_id AND d.side = 'downstream'
