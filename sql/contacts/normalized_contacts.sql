-- table: normalized_contacts
-- grain: one row for each source contact with a usable name
-- key: source_system, contact_id
-- purpose: every contact with its values as the dictionaries have them; an email that contacts with incompatible
--   names share is no one's own, and gets the status shared
WITH parsed AS (
    SELECT
        v.source_system,
        v.contact_id,
        n.first_key,
        n.last_key,
        COALESCE(n.name_suffix, '') AS suffix_key,
        e.email
    FROM contact_values AS v
    INNER JOIN name_values AS n ON v.name_raw = n.raw_value
    INNER JOIN email_values AS e ON v.email_raw = e.raw_value
    WHERE n.last_key IS NOT NULL AND e.email_status = 'valid'
),

names_of_email AS (
    SELECT DISTINCT
        p.email,
        p.first_key,
        p.last_key,
        p.suffix_key
    FROM parsed AS p
),

name_counts AS (
    SELECT
        m.email,
        COUNT(*) AS name_count
    FROM names_of_email AS m
    GROUP BY m.email
),

incompatible AS (
    SELECT DISTINCT a.email
    FROM names_of_email AS a
    INNER JOIN name_counts AS c ON a.email = c.email AND c.name_count BETWEEN 2 AND @many_names
    INNER JOIN names_of_email AS b ON a.email = b.email
    LEFT OUTER JOIN name_comparisons AS f
        ON f.kind = 'first' AND a.first_key = f.left_key AND b.first_key = f.right_key
    LEFT OUTER JOIN name_comparisons AS g
        ON g.kind = 'first' AND b.first_key = g.left_key AND a.first_key = g.right_key
    WHERE
        (a.suffix_key <> b.suffix_key AND a.suffix_key <> '' AND b.suffix_key <> '')
        OR (
            a.first_key <> b.first_key
            AND COALESCE(f.agreement, g.agreement) = 'different'
            -- First and last name changed over are the same name.
            AND NOT (a.first_key = b.last_key AND a.last_key = b.first_key)
        )
),

shared AS (
    SELECT i.email FROM incompatible AS i
    UNION
    SELECT c.email FROM name_counts AS c WHERE c.name_count > @many_names
)

SELECT
    c.source_system,
    c.contact_id,
    n.first_name,
    n.middle_name,
    n.last_name,
    n.name_suffix,
    RTRIM(LEFT(
        NULLIF(LTRIM(RTRIM(REPLACE(REPLACE(REPLACE(c.title, CHAR(9), ' '), CHAR(10), ' '), CHAR(13), ' '))), ''), 128
    )) AS title,
    e.email,
    CASE
        WHEN v.email_raw IS NULL THEN 'none'
        WHEN s.email IS NOT NULL THEN 'shared'
        ELSE e.email_status
    END AS email_status,
    CASE WHEN s.email IS NOT NULL THEN 'shared_mailbox' ELSE e.problem END AS email_problem,
    p.phone,
    CASE
        WHEN p.phone IS NOT NULL
            THEN RTRIM(LEFT(COALESCE(NULLIF(LTRIM(RTRIM(c.phone_ext)), ''), p.phone_ext), 20))
    END AS phone_ext,
    p.problem AS phone_problem,
    m.phone AS mobile,
    a.address_line1,
    a.address_line2,
    a.city,
    a.state_code,
    a.postal_code,
    a.problem AS address_problem,
    CASE WHEN c.is_active = 'N' THEN 'N' ELSE 'Y' END AS is_active,
    c.updated_at,
    n.first_key,
    n.middle_key,
    n.last_key,
    a.address_key
FROM contact_values AS v
INNER JOIN source_contacts AS c ON v.source_system = c.source_system AND v.contact_id = c.contact_id
INNER JOIN name_values AS n ON v.name_raw = n.raw_value
LEFT OUTER JOIN email_values AS e ON v.email_raw = e.raw_value
LEFT OUTER JOIN shared AS s ON e.email = s.email AND e.email_status = 'valid'
LEFT OUTER JOIN phone_values AS p ON v.phone_raw = p.raw_value
LEFT OUTER JOIN phone_values AS m ON v.mobile_raw = m.raw_value
LEFT OUTER JOIN address_values AS a ON v.address_raw = a.raw_value
WHERE n.last_key IS NOT NULL
