-- table: contact_evidence
-- grain: one row for each normalized contact
-- key: contact_number
-- purpose: what matching may use of a contact: role, placeholder and shared mailboxes are left out as no evidence
WITH contacts AS (
    SELECT
        CAST(ROW_NUMBER() OVER (ORDER BY c.source_system, c.contact_id) AS BIGINT) AS contact_number,
        c.source_system,
        c.contact_id,
        c.first_key,
        c.middle_key,
        c.last_key,
        c.name_suffix,
        c.email,
        c.email_status,
        SUBSTRING(c.email, CHARINDEX('@', c.email) + 1, 255) AS email_domain,
        c.address_key,
        SUBSTRING(COALESCE(c.phone, c.mobile), 1, 5) AS area_code,
        LOWER(c.title) AS title_key
    FROM normalized_contacts AS c
),

name_counts AS (
    SELECT
        c.first_key,
        c.last_key,
        COUNT(*) AS name_count
    FROM contacts AS c
    GROUP BY c.first_key, c.last_key
),

name_numbers AS (
    SELECT
        k.name_key,
        CAST(ROW_NUMBER() OVER (ORDER BY k.name_key) AS BIGINT) AS name_number
    FROM (
        SELECT f.first_key AS name_key FROM name_counts AS f
        UNION
        SELECT l.last_key AS name_key FROM name_counts AS l
    ) AS k
),

starts AS (
    SELECT
        n.name_key,
        MIN(n.name_number) OVER (PARTITION BY SUBSTRING(n.name_key, 1, 4)) AS start_number
    FROM name_numbers AS n
),

-- A title's number is that of its first contact: engines differ in the order of texts as they stand.
titles AS (
    SELECT
        c.title_key,
        MIN(c.contact_number) AS title_number
    FROM contacts AS c
    WHERE c.title_key IS NOT NULL
    GROUP BY c.title_key
),

work_domains AS (
    SELECT DISTINCT v.domain
    FROM email_values AS v
    WHERE v.is_public_domain = 'N' AND v.email_status IN ('valid', 'role')
)

SELECT
    c.contact_number,
    c.source_system,
    c.contact_id,
    c.first_key,
    c.middle_key,
    c.last_key,
    COALESCE(c.name_suffix, '') AS suffix_key,
    CASE WHEN c.email_status = 'valid' THEN c.email END AS personal_email,
    CASE WHEN c.email_status = 'valid' THEN c.email_domain END AS email_domain,
    w.domain AS work_domain,
    c.address_key,
    c.area_code,
    n.name_count,
    f.name_number AS first_number,
    l.name_number AS last_number,
    s.start_number,
    t.title_number
FROM contacts AS c
INNER JOIN name_counts AS n ON c.first_key = n.first_key AND c.last_key = n.last_key
INNER JOIN name_numbers AS f ON c.first_key = f.name_key
INNER JOIN name_numbers AS l ON c.last_key = l.name_key
INNER JOIN starts AS s ON c.last_key = s.name_key
LEFT OUTER JOIN titles AS t ON c.title_key = t.title_key
LEFT OUTER JOIN work_domains AS w
    ON c.email_status IN ('valid', 'role', 'shared') AND c.email_domain = w.domain
