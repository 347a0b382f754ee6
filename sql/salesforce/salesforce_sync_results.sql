-- table: salesforce_sync_results
-- grain: one row for each planned change
-- key: plan_hash, object_name, external_id, field_name
-- purpose: what became of each record and field of the plan: succeeded, failed or skipped, and why. A planned change
--   without an outcome is left out on purpose, so that the count of the check gives it away
SELECT
    p.plan_hash,
    p.object_name,
    p.external_id,
    p.field_name,
    p.operation,
    CASE WHEN v.error_code IS NOT NULL THEN 'failed' ELSE o.status END AS status,
    COALESCE(o.record_id, p.record_id) AS record_id,
    COALESCE(v.error_code, o.error_code) AS error_code,
    CASE WHEN v.error_code IS NOT NULL THEN v.message ELSE o.message END AS message,
    o.finished_at
FROM sync_plan AS p
INNER JOIN sync_outcomes AS o
    ON p.plan_hash = o.plan_hash AND p.object_name = o.object_name AND p.external_id = o.external_id
LEFT OUTER JOIN sync_refused_values AS v
    ON
        p.plan_hash = v.plan_hash
        AND p.object_name = v.object_name
        AND p.external_id = v.external_id
        AND p.field_name = v.field_name
WHERE p.plan_hash = @plan_hash
