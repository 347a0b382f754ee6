-- table: discrepancy_ledger
-- grain: one row for each discrepancy of a reconciliation and downstream system over its life
-- key: reconciliation, downstream_system, source_system, member_id, kind
-- purpose: what was known before, brought up to one comparison. What is found opens, stays or reopens; what is no
--   longer found closes. A finding in flight opens nothing and keeps open what is open. A member whose kind changed
--   does not agree: its row closes as `became <kind>`, and the row that follows is due when that one was. Duplicates
--   stand beside the other kinds and follow none
WITH found AS (
    SELECT
        f.source_system,
        f.member_id,
        f.kind,
        f.source_group_id,
        f.downstream_group_id,
        f.in_flight,
        o.owner
    FROM discrepancies AS f
    INNER JOIN reconciliation_owners AS o ON f.kind = o.kind AND o.reconciliation = @reconciliation
    WHERE f.reconciliation = @reconciliation AND f.as_of = @as_of AND f.downstream_system = @downstream_system
),

known AS (
    SELECT
        l.source_system,
        l.member_id,
        l.kind,
        l.source_group_id,
        l.downstream_group_id,
        l.opened_on,
        l.reopened_on,
        l.reopened_count,
        l.due_on,
        l.last_seen_on,
        l.closed_on,
        l.closed_because,
        l.owner,
        l.status
    FROM discrepancy_ledger AS l
    WHERE l.reconciliation = @reconciliation AND l.downstream_system = @downstream_system
),

scope AS (
    SELECT
        c.source_system,
        c.group_id
    FROM reconciliation_scope AS c
    WHERE c.reconciliation = @reconciliation AND c.as_of = @as_of
),

several AS (
    SELECT
        k.source_system,
        k.member_id,
        k.kind,
        CONCAT(';', k.source_group_id, ';', k.downstream_group_id, ';') AS group_ids
    FROM known AS k
    WHERE k.status = 'open' AND (k.source_group_id LIKE '%;%' OR k.downstream_group_id LIKE '%;%')
),

several_in_scope AS (
    SELECT DISTINCT
        v.source_system,
        v.member_id,
        v.kind
    FROM several AS v
    INNER JOIN scope AS s ON v.source_system = s.source_system
    WHERE CHARINDEX(CONCAT(';', s.group_id, ';'), v.group_ids) > 0
),

judged AS (
    SELECT
        k.source_system,
        k.member_id,
        k.kind,
        w.kind AS became,
        CASE WHEN f.kind IS NULL THEN k.source_group_id ELSE f.source_group_id END AS source_group_id,
        CASE WHEN f.kind IS NULL THEN k.downstream_group_id ELSE f.downstream_group_id END AS downstream_group_id,
        k.opened_on,
        k.reopened_on,
        k.reopened_count,
        k.due_on,
        k.last_seen_on,
        k.closed_on,
        k.closed_because,
        k.owner,
        CASE
            WHEN k.status = 'open' AND f.kind IS NOT NULL THEN 'seen'
            WHEN k.status = 'open' AND w.in_flight = 'Y' THEN 'seen'
            WHEN k.status = 'open' AND w.in_flight = 'N' THEN 'changed'
            WHEN k.status = 'open' THEN 'closed'
            WHEN f.in_flight = 'N' THEN 'reopened'
            ELSE 'kept'
        END AS verdict,
        CASE
            WHEN s.group_id IS NOT NULL OR d.group_id IS NOT NULL OR v.member_id IS NOT NULL THEN 'Y'
            ELSE 'N'
        END AS in_scope
    FROM known AS k
    LEFT OUTER JOIN found AS f
        ON k.source_system = f.source_system AND k.member_id = f.member_id AND k.kind = f.kind
    LEFT OUTER JOIN found AS w
        ON
            k.source_system = w.source_system
            AND k.member_id = w.member_id
            AND k.kind <> w.kind
            AND k.kind <> 'duplicate'
            AND w.kind <> 'duplicate'
    LEFT OUTER JOIN several_in_scope AS v
        ON k.source_system = v.source_system AND k.member_id = v.member_id AND k.kind = v.kind
    LEFT OUTER JOIN scope AS s ON k.source_system = s.source_system AND k.source_group_id = s.group_id
    LEFT OUTER JOIN scope AS d ON k.source_system = d.source_system AND k.downstream_group_id = d.group_id
),

followed AS (
    SELECT
        j.source_system,
        j.member_id,
        MIN(j.due_on) AS due_on
    FROM judged AS j
    WHERE j.verdict = 'changed'
    GROUP BY j.source_system, j.member_id
)

SELECT
    @reconciliation AS reconciliation,
    @downstream_system AS downstream_system,
    j.source_system,
    j.member_id,
    j.kind,
    j.source_group_id,
    j.downstream_group_id,
    j.opened_on,
    CASE WHEN j.verdict = 'reopened' THEN CAST(@as_of AS DATE) ELSE j.reopened_on END AS reopened_on,
    CASE WHEN j.verdict = 'reopened' THEN j.reopened_count + 1 ELSE j.reopened_count END AS reopened_count,
    CASE
        WHEN j.verdict = 'reopened' THEN COALESCE(p.due_on, CAST(@due_on AS DATE))
        ELSE j.due_on
    END AS due_on,
    CASE WHEN j.verdict IN ('seen', 'reopened') THEN CAST(@as_of AS DATE) ELSE j.last_seen_on END AS last_seen_on,
    CASE
        WHEN j.verdict IN ('changed', 'closed') THEN CAST(@as_of AS DATE)
        WHEN j.verdict = 'kept' THEN j.closed_on
    END AS closed_on,
    CASE
        WHEN j.verdict = 'changed' THEN CONCAT('became ', j.became)
        WHEN j.verdict = 'closed' AND j.in_scope = 'Y' THEN 'agrees'
        WHEN j.verdict = 'closed' THEN 'left scope'
        WHEN j.verdict = 'kept' THEN j.closed_because
    END AS closed_because,
    j.owner,
    CASE WHEN j.verdict IN ('seen', 'reopened') THEN 'open' ELSE 'closed' END AS status
FROM judged AS j
LEFT OUTER JOIN followed AS p
    ON j.source_system = p.source_system AND j.member_id = p.member_id AND j.kind <> 'duplicate'
UNION ALL
SELECT
    @reconciliation AS reconciliation,
    @downstream_system AS downstream_system,
    f.source_system,
    f.member_id,
    f.kind,
    f.source_group_id,
    f.downstream_group_id,
    CAST(@as_of AS DATE) AS opened_on,
    CAST(NULL AS DATE) AS reopened_on,
    0 AS reopened_count,
    COALESCE(p.due_on, CAST(@due_on AS DATE)) AS due_on,
    CAST(@as_of AS DATE) AS last_seen_on,
    CAST(NULL AS DATE) AS closed_on,
    CAST(NULL AS NVARCHAR(40)) AS closed_because,
    f.owner,
    'open' AS status
FROM found AS f
LEFT OUTER JOIN known AS k
    ON f.source_system = k.source_system AND f.member_id = k.member_id AND f.kind = k.kind
LEFT OUTER JOIN followed AS p
    ON f.source_system = p.source_system AND f.member_id = p.member_id AND f.kind <> 'duplicate'
WHERE f.in_flight = 'N' AND k.kind IS NULL
