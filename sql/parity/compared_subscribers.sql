-- table: compared_subscribers
-- grain: one row for each side, subscriber, group, state and plan with an active row of a group in scope
-- key: none
-- purpose: both sides of one comparison that counts subscribers. The rows of a subscriber and of its dependents are
--   one, from the first effective date to the last termination date (null: open); a member without a subscriber is its
--   own. member_id holds the subscriber
SELECT
    'source' AS side,
    m.source_system,
    COALESCE(m.subscriber_id, m.member_id) AS member_id,
    m.group_id,
    m.state_code,
    m.plan_code,
    MIN(m.effective_date) AS effective_date,
    CASE WHEN COUNT(m.termination_date) = COUNT(*) THEN MAX(m.termination_date) END AS termination_date
FROM source_members AS m
INNER JOIN reconciliation_scope AS s ON m.source_system = s.source_system AND m.group_id = s.group_id
WHERE
    s.reconciliation = @reconciliation
    AND s.as_of = @as_of
    AND m.effective_date <= @as_of
    AND (m.termination_date IS NULL OR m.termination_date > @as_of)
GROUP BY m.source_system, COALESCE(m.subscriber_id, m.member_id), m.group_id, m.state_code, m.plan_code
UNION ALL
SELECT
    'downstream' AS side,
    m.source_system,
    COALESCE(m.subscriber_id, m.member_id) AS member_id,
    m.group_id,
    m.state_code,
    m.plan_code,
    MIN(m.effective_date) AS effective_date,
    CASE WHEN COUNT(m.termination_date) = COUNT(*) THEN MAX(m.termination_date) END AS termination_date
FROM downstream_members AS m
INNER JOIN reconciliation_scope AS s ON m.source_system = s.source_system AND m.group_id = s.group_id
WHERE
    m.downstream_system = @downstream_system
    AND s.reconciliation = @reconciliation
    AND s.as_of = @as_of
    AND m.effective_date <= @as_of
    AND (m.termination_date IS NULL OR m.termination_date > @as_of)
GROUP BY m.source_system, COALESCE(m.subscriber_id, m.member_id), m.group_id, m.state_code, m.plan_code
