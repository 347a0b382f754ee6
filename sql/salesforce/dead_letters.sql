-- table: dead_letters
-- grain: one row for each planned change that failed for good
-- key: object_name, external_id, field_name
-- purpose: what is not worth another try as it is. Errors that pass by themselves are no dead letters, nor are records
--   that were found gone: the next plan takes those up again
SELECT
    p.object_name,
    p.external_id,
    p.field_name,
    p.operation,
    p.after_value,
    r.error_code,
    r.message,
    CAST(o.tries + COALESCE(d.tries, 0) AS INT) AS tries,
    r.finished_at AS failed_at
FROM salesforce_sync_results AS r
INNER JOIN sync_plan AS p
    ON
        r.plan_hash = p.plan_hash
        AND r.object_name = p.object_name
        AND r.external_id = p.external_id
        AND r.field_name = p.field_name
INNER JOIN sync_outcomes AS o
    ON r.plan_hash = o.plan_hash AND r.object_name = o.object_name AND r.external_id = o.external_id
LEFT OUTER JOIN passing_codes AS c ON r.error_code = c.error_code
LEFT OUTER JOIN dead_letters AS d
    ON r.object_name = d.object_name AND r.external_id = d.external_id AND r.field_name = d.field_name
WHERE r.plan_hash = @plan_hash AND r.status = 'failed' AND c.error_code IS NULL
