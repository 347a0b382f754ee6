-- table: golden_values
-- grain: one row for each person of several contacts and attribute that some contact of the person has
-- key: person_id, attribute
-- purpose: survivorship: which contact each attribute of the golden record comes from. Validity first, then source
--   priority, recency, completeness, and the smallest key as the fixed tie-break. Name and address are units. A person
--   of one contact has all of it from there. An email that bounced in Salesforce is as bad as an invalid one
WITH several AS (
    SELECT p.person_id
    FROM contact_persons AS p
    GROUP BY p.person_id
    HAVING COUNT(*) > 1
),

bounced AS (
    SELECT DISTINCT e.email
    FROM bounced_emails AS e
),

contacts AS (
    SELECT
        p.person_id,
        p.system,
        p.contact_id,
        n.first_name,
        n.middle_name,
        n.first_key,
        n.title,
        n.email,
        CASE WHEN b.email IS NULL THEN n.email_status ELSE 'bounced' END AS email_status,
        n.phone,
        n.phone_ext,
        n.mobile,
        n.address_line1,
        n.address_problem,
        n.postal_code,
        n.is_active,
        COALESCE(s.priority, 100) AS priority,
        COALESCE(n.updated_at, CAST('1900-01-01' AS DATETIME2(6))) AS updated_at
    FROM several AS o
    INNER JOIN contact_persons AS p ON o.person_id = p.person_id
    INNER JOIN normalized_contacts AS n ON p.system = n.source_system AND p.contact_id = n.contact_id
    LEFT OUTER JOIN system_priorities AS s ON p.system = s.system
    LEFT OUTER JOIN bounced AS b ON LOWER(n.email) = b.email
),

valued AS (
    SELECT
        c.person_id,
        'name' AS attribute,
        c.system,
        c.contact_id,
        c.is_active,
        c.priority,
        c.updated_at,
        CASE WHEN LEN(c.first_key) > 1 THEN 0 WHEN c.first_key <> '' THEN 1 ELSE 2 END AS validity,
        CASE WHEN c.middle_name IS NOT NULL THEN 0 ELSE 1 END AS completeness
    FROM contacts AS c
    UNION ALL
    SELECT
        c.person_id,
        'title' AS attribute,
        c.system,
        c.contact_id,
        c.is_active,
        c.priority,
        c.updated_at,
        0 AS validity,
        0 AS completeness
    FROM contacts AS c
    WHERE c.title IS NOT NULL
    UNION ALL
    SELECT
        c.person_id,
        'email' AS attribute,
        c.system,
        c.contact_id,
        c.is_active,
        c.priority,
        c.updated_at,
        CASE
            WHEN c.email_status = 'valid' THEN 0
            WHEN c.email_status = 'shared' THEN 1
            WHEN c.email_status = 'role' THEN 2
            ELSE 3
        END AS validity,
        0 AS completeness
    FROM contacts AS c
    WHERE c.email_status <> 'none'
    UNION ALL
    SELECT
        c.person_id,
        'phone' AS attribute,
        c.system,
        c.contact_id,
        c.is_active,
        c.priority,
        c.updated_at,
        0 AS validity,
        CASE WHEN c.phone_ext IS NOT NULL THEN 0 ELSE 1 END AS completeness
    FROM contacts AS c
    WHERE c.phone IS NOT NULL
    UNION ALL
    SELECT
        c.person_id,
        'mobile' AS attribute,
        c.system,
        c.contact_id,
        c.is_active,
        c.priority,
        c.updated_at,
        0 AS validity,
        0 AS completeness
    FROM contacts AS c
    WHERE c.mobile IS NOT NULL
    UNION ALL
    SELECT
        c.person_id,
        'address' AS attribute,
        c.system,
        c.contact_id,
        c.is_active,
        c.priority,
        c.updated_at,
        CASE WHEN c.address_problem IS NULL THEN 0 ELSE 1 END AS validity,
        CASE WHEN LEN(c.postal_code) > 5 THEN 0 ELSE 1 END AS completeness
    FROM contacts AS c
    WHERE c.address_line1 IS NOT NULL
),

ranked AS (
    SELECT
        v.person_id,
        v.attribute,
        v.system,
        v.contact_id,
        ROW_NUMBER() OVER (
            PARTITION BY v.person_id, v.attribute
            ORDER BY
                v.validity ASC,
                v.is_active DESC,
                v.priority ASC,
                v.updated_at DESC,
                v.completeness ASC,
                v.system ASC,
                v.contact_id ASC
        ) AS place
    FROM valued AS v
)

SELECT
    r.person_id,
    r.attribute,
    r.system,
    r.contact_id
FROM ranked AS r
WHERE r.place = 1
