-- table: person_roles
-- grain: one row for each person, employer group and role
-- key: person_id, source_system, group_id, role_code
-- purpose: employment does not survive: every role of every contact of the person stays. is_primary marks the role
--   whose group is the person's primary account. Only a group that its source system knows can be: then one in force on
--   @as_of before one to come before one that has ended, then one the source calls primary, then source priority,
--   then the latest, then the smallest key
WITH roles AS (
    SELECT
        p.person_id,
        r.source_system,
        r.group_id,
        r.role_code,
        MAX(CASE WHEN r.is_primary = 'Y' THEN 'Y' ELSE 'N' END) AS is_called_primary,
        MIN(r.effective_date) AS effective_date,
        CASE
            WHEN SUM(CASE WHEN r.termination_date IS NULL THEN 1 ELSE 0 END) = 0 THEN MAX(r.termination_date)
        END AS termination_date,
        MAX(n.is_active) AS is_active,
        MIN(COALESCE(s.priority, 100)) AS priority
    FROM contact_persons AS p
    INNER JOIN normalized_contacts AS n ON p.system = n.source_system AND p.contact_id = n.contact_id
    INNER JOIN source_contact_roles AS r ON p.system = r.source_system AND p.contact_id = r.contact_id
    LEFT OUTER JOIN system_priorities AS s ON p.system = s.system
    GROUP BY p.person_id, r.source_system, r.group_id, r.role_code
),

ranked AS (
    SELECT
        q.person_id,
        q.source_system,
        q.group_id,
        q.role_code,
        q.effective_date,
        q.termination_date,
        g.group_id AS known_group_id,
        ROW_NUMBER() OVER (
            PARTITION BY q.person_id
            ORDER BY
                CASE WHEN g.group_id IS NULL THEN 1 ELSE 0 END ASC,
                CASE
                    WHEN q.termination_date <= @as_of THEN 2
                    WHEN q.effective_date > @as_of THEN 1
                    ELSE 0
                END ASC,
                q.is_active DESC,
                q.is_called_primary DESC,
                q.priority ASC,
                COALESCE(q.effective_date, CAST('1900-01-01' AS DATE)) DESC,
                q.source_system ASC,
                q.group_id ASC,
                q.role_code ASC
        ) AS place
    FROM roles AS q
    LEFT OUTER JOIN employer_groups AS g ON q.source_system = g.source_system AND q.group_id = g.group_id
)

SELECT
    k.person_id,
    k.source_system,
    k.group_id,
    k.role_code,
    CASE WHEN k.place = 1 AND k.known_group_id IS NOT NULL THEN 'Y' ELSE 'N' END AS is_primary,
    k.effective_date,
    k.termination_date
FROM ranked AS k
