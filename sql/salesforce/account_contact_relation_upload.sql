-- table: account_contact_relation_upload
-- grain: one row for each person and employer group
-- key: relation_key
-- purpose: what Salesforce is to hold as AccountContactRelations: one a group, its roles joined. The roles in force on
--   @as_of count; where none is, the others are shown on an inactive relation. An inactive person's are all inactive
WITH roles AS (
    SELECT
        r.person_id,
        r.source_system,
        r.group_id,
        r.is_primary,
        r.effective_date,
        r.termination_date,
        COALESCE(v.picklist_value, o.picklist_value, r.role_code) AS role_name,
        p.is_active,
        CASE WHEN r.termination_date <= @as_of OR r.effective_date > @as_of THEN 0 ELSE 1 END AS is_in_force
    FROM person_roles AS r
    INNER JOIN persons AS p ON r.person_id = p.person_id
    INNER JOIN employer_groups AS g ON r.source_system = g.source_system AND r.group_id = g.group_id
    LEFT OUTER JOIN picklist_values AS v
        ON
            v.object_name = 'AccountContactRelation'
            AND v.field_name = 'Roles'
            AND r.role_code = v.source_value
    LEFT OUTER JOIN picklist_values AS o
        ON o.object_name = 'AccountContactRelation' AND o.field_name = 'Roles' AND o.source_value = '*'
),

relations AS (
    SELECT
        q.person_id,
        q.source_system,
        q.group_id,
        MAX(q.is_in_force) AS is_in_force,
        MAX(q.is_active) AS is_active,
        MAX(q.is_primary) AS is_primary,
        MIN(q.effective_date) AS start_date,
        CASE
            WHEN MAX(q.is_in_force) = 0 OR SUM(CASE WHEN q.termination_date IS NULL THEN 1 ELSE 0 END) = 0
                THEN MAX(q.termination_date)
        END AS end_date
    FROM roles AS q
    GROUP BY q.person_id, q.source_system, q.group_id
),

role_names AS (
    SELECT DISTINCT
        q.person_id,
        q.source_system,
        q.group_id,
        q.role_name
    FROM roles AS q
    INNER JOIN relations AS n
        ON q.person_id = n.person_id AND q.source_system = n.source_system AND q.group_id = n.group_id
    WHERE q.is_in_force = n.is_in_force
),

joined_roles AS (
    SELECT
        m.person_id,
        m.source_system,
        m.group_id,
        STRING_AGG(CAST(m.role_name AS NVARCHAR(MAX)), ';') WITHIN GROUP (ORDER BY m.role_name ASC) AS roles
    FROM role_names AS m
    GROUP BY m.person_id, m.source_system, m.group_id
)

SELECT
    CONCAT(n.person_id, ':GR:', n.source_system, ':', n.group_id) AS relation_key,
    CONCAT('GR:', n.source_system, ':', n.group_id) AS account_key,
    n.person_id,
    j.roles,
    CASE WHEN n.is_in_force = 1 AND n.is_active = 'Y' THEN 'true' ELSE 'false' END AS is_active,
    CAST(n.start_date AS NVARCHAR(10)) AS start_date,
    CAST(n.end_date AS NVARCHAR(10)) AS end_date,
    CASE WHEN n.is_primary = 'Y' THEN 'true' ELSE 'false' END AS is_primary
FROM relations AS n
INNER JOIN joined_roles AS j
    ON n.person_id = j.person_id AND n.source_system = j.source_system AND n.group_id = j.group_id
