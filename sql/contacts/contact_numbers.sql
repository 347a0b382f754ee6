-- table: contact_numbers
-- grain: one row for each contact and phone number; a number with its extension is a further number
-- key: contact_number, phone
-- purpose: which numbers are a person's own: at most @direct_surnames surnames and @direct_contacts contacts have it,
--   and no employer group calls it its main line
WITH numbers AS (
    SELECT
        e.contact_number,
        e.last_key,
        c.phone
    FROM contact_evidence AS e
    INNER JOIN normalized_contacts AS c ON e.source_system = c.source_system AND e.contact_id = c.contact_id
    WHERE c.phone IS NOT NULL
    UNION
    SELECT
        e.contact_number,
        e.last_key,
        CONCAT(c.phone, 'x', c.phone_ext) AS phone
    FROM contact_evidence AS e
    INNER JOIN normalized_contacts AS c ON e.source_system = c.source_system AND e.contact_id = c.contact_id
    WHERE c.phone IS NOT NULL AND c.phone_ext IS NOT NULL
    UNION
    SELECT
        e.contact_number,
        e.last_key,
        c.mobile AS phone
    FROM contact_evidence AS e
    INNER JOIN normalized_contacts AS c ON e.source_system = c.source_system AND e.contact_id = c.contact_id
    WHERE c.mobile IS NOT NULL
),

uses AS (
    SELECT
        n.phone,
        COUNT(*) AS contact_count,
        COUNT(DISTINCT n.last_key) AS surname_count
    FROM numbers AS n
    GROUP BY n.phone
),

main_lines AS (
    SELECT DISTINCT g.phone
    FROM normalized_groups AS g
    WHERE g.phone IS NOT NULL AND g.phone_ext IS NULL
)

SELECT
    n.contact_number,
    n.phone,
    CASE
        WHEN m.phone IS NOT NULL THEN 'N'
        WHEN u.surname_count <= @direct_surnames AND u.contact_count <= @direct_contacts THEN 'Y'
        ELSE 'N'
    END AS is_direct
FROM numbers AS n
INNER JOIN uses AS u ON n.phone = u.phone
LEFT OUTER JOIN main_lines AS m ON n.phone = m.phone
