-- table: discrepancy_cells
-- grain: one row for each member with a finding and each group, state and plan that either side has the member in
-- key: none
-- purpose: what the findings alone say of every cell, so that they can be added up to the variance
WITH members AS (
    SELECT
        f.source_system,
        f.member_id,
        MAX(f.in_flight) AS in_flight
    FROM member_findings AS f
    GROUP BY f.source_system, f.member_id
)

SELECT
    @reconciliation AS reconciliation,
    CAST(@as_of AS DATE) AS as_of,
    @downstream_system AS downstream_system,
    r.source_system,
    r.member_id,
    r.group_id,
    r.state_code,
    r.plan_code,
    CAST(MAX(CASE WHEN r.side = 'source' THEN 1 ELSE 0 END) AS INT) AS in_source,
    CAST(MAX(CASE WHEN r.side = 'downstream' THEN 1 ELSE 0 END) AS INT) AS in_downstream,
    MAX(m.in_flight) AS in_flight
FROM compared_rows AS r
INNER JOIN members AS m ON r.source_system = m.source_system AND r.member_id = m.member_id
GROUP BY r.source_system, r.member_id, r.group_id, r.state_code, r.plan_code
