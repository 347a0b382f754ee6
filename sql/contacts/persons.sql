-- table: persons
-- grain: one row for each living person
-- key: person_id
-- purpose: the golden record: each attribute from the contact that golden_values names, or all of them from a person's
--   only contact. A bad email (invalid, placeholder, bounced) is never delivered: email is null then, and email_status
--   says why
WITH bounced AS (
    SELECT DISTINCT e.email
    FROM bounced_emails AS e
),

members AS (
    SELECT
        p.person_id,
        COUNT(*) AS contact_count,
        MAX(n.is_active) AS is_active,
        MIN(p.system) AS system,
        MIN(p.contact_id) AS contact_id
    FROM contact_persons AS p
    INNER JOIN normalized_contacts AS n ON p.system = n.source_system AND p.contact_id = n.contact_id
    GROUP BY p.person_id
),

golden AS (
    SELECT
        g.person_id,
        MAX(CASE WHEN g.attribute = 'name' THEN n.first_name END) AS first_name,
        MAX(CASE WHEN g.attribute = 'name' THEN n.middle_name END) AS middle_name,
        MAX(CASE WHEN g.attribute = 'name' THEN n.last_name END) AS last_name,
        MAX(CASE WHEN g.attribute = 'name' THEN n.name_suffix END) AS name_suffix,
        MAX(CASE WHEN g.attribute = 'title' THEN n.title END) AS title,
        MAX(CASE WHEN g.attribute = 'email' THEN n.email END) AS email,
        MAX(CASE WHEN g.attribute = 'email' THEN n.email_status END) AS email_status,
        MAX(CASE WHEN g.attribute = 'phone' THEN n.phone END) AS phone,
        MAX(CASE WHEN g.attribute = 'phone' THEN n.phone_ext END) AS phone_ext,
        MAX(CASE WHEN g.attribute = 'mobile' THEN n.mobile END) AS mobile,
        MAX(CASE WHEN g.attribute = 'address' THEN n.address_line1 END) AS address_line1,
        MAX(CASE WHEN g.attribute = 'address' THEN n.address_line2 END) AS address_line2,
        MAX(CASE WHEN g.attribute = 'address' THEN n.city END) AS city,
        MAX(CASE WHEN g.attribute = 'address' THEN n.state_code END) AS state_code,
        MAX(CASE WHEN g.attribute = 'address' THEN n.postal_code END) AS postal_code
    FROM golden_values AS g
    INNER JOIN normalized_contacts AS n ON g.system = n.source_system AND g.contact_id = n.contact_id
    GROUP BY g.person_id
),

records AS (
    SELECT
        g.person_id,
        g.first_name,
        g.middle_name,
        g.last_name,
        g.name_suffix,
        g.title,
        g.email,
        g.email_status,
        g.phone,
        g.phone_ext,
        g.mobile,
        g.address_line1,
        g.address_line2,
        g.city,
        g.state_code,
        g.postal_code,
        m.is_active,
        m.contact_count
    FROM golden AS g
    INNER JOIN members AS m ON g.person_id = m.person_id
    UNION ALL
    SELECT
        m.person_id,
        n.first_name,
        n.middle_name,
        n.last_name,
        n.name_suffix,
        n.title,
        n.email,
        n.email_status,
        n.phone,
        n.phone_ext,
        n.mobile,
        n.address_line1,
        CASE WHEN n.address_line1 IS NOT NULL THEN n.address_line2 END AS address_line2,
        CASE WHEN n.address_line1 IS NOT NULL THEN n.city END AS city,
        CASE WHEN n.address_line1 IS NOT NULL THEN n.state_code END AS state_code,
        CASE WHEN n.address_line1 IS NOT NULL THEN n.postal_code END AS postal_code,
        m.is_active,
        m.contact_count
    FROM members AS m
    INNER JOIN normalized_contacts AS n ON m.system = n.source_system AND m.contact_id = n.contact_id
    WHERE m.contact_count = 1
)

SELECT
    r.person_id,
    r.first_name,
    r.middle_name,
    r.last_name,
    r.name_suffix,
    r.title,
    CASE WHEN b.email IS NULL AND r.email_status IN ('valid', 'shared', 'role') THEN r.email END AS email,
    CASE WHEN b.email IS NULL THEN COALESCE(r.email_status, 'none') ELSE 'bounced' END AS email_status,
    r.phone,
    r.phone_ext,
    r.mobile,
    r.address_line1,
    r.address_line2,
    r.city,
    r.state_code,
    r.postal_code,
    r.is_active,
    CAST(r.contact_count AS INT) AS contact_count
FROM records AS r
LEFT OUTER JOIN bounced AS b ON LOWER(r.email) = b.email
