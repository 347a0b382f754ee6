-- table: reconciliation_scope
-- grain: one row for each employer group that a reconciliation covers on an as-of date
-- key: reconciliation, as_of, source_system, group_id
-- purpose: the union of the groups that are named, that are flagged as IHM in their source system, and that have
--   more than @more_than_members active members (null: size does not count)
WITH sized AS (
    SELECT
        m.source_system,
        m.group_id
    FROM source_members AS m
    WHERE
        m.effective_date <= @as_of
        AND (m.termination_date IS NULL OR m.termination_date > @as_of)
        AND @more_than_members IS NOT NULL
    GROUP BY m.source_system, m.group_id
    HAVING COUNT(DISTINCT m.member_id) > @more_than_members
),

covered AS (
    SELECT
        n.source_system,
        n.group_id
    FROM reconciliation_groups AS n
    WHERE n.reconciliation = @reconciliation
    UNION
    SELECT
        g.source_system,
        g.group_id
    FROM employer_groups AS g
    WHERE g.ihm_indicator = 'Y' AND @flagged = 'Y'
    UNION
    SELECT
        z.source_system,
        z.group_id
    FROM sized AS z
)

SELECT
    r.reconciliation,
    CAST(@as_of AS DATE) AS as_of,
    c.source_system,
    c.group_id
FROM covered AS c
INNER JOIN reconciliation_sources AS r ON c.source_system = r.source_system AND r.reconciliation = @reconciliation
