-- table: candidate_pairs
-- grain: one row for each pair of contacts that shares something worth a look
-- key: left_number, right_number
-- purpose: the pairs that the rules and the model judge, with what each pair shares; values that very many
--   contacts share make no pairs
WITH emails AS (
    SELECT e.personal_email
    FROM contact_evidence AS e
    WHERE e.personal_email IS NOT NULL
    GROUP BY e.personal_email
    HAVING COUNT(*) BETWEEN 2 AND @block_size
),

phone_names AS (
    SELECT
        n.phone,
        e.last_key
    FROM contact_numbers AS n
    INNER JOIN contact_evidence AS e ON n.contact_number = e.contact_number
    GROUP BY n.phone, e.last_key
    HAVING COUNT(*) BETWEEN 2 AND @block_size
),

direct_phones AS (
    SELECT n.phone
    FROM contact_numbers AS n
    WHERE n.is_direct = 'Y'
    GROUP BY n.phone
    HAVING COUNT(*) >= 2
),

place_last_names AS (
    SELECT
        m.place,
        e.last_key
    FROM contact_places AS m
    INNER JOIN contact_evidence AS e ON m.contact_number = e.contact_number
    GROUP BY m.place, e.last_key
    HAVING COUNT(*) BETWEEN 2 AND @block_size
),

place_first_names AS (
    SELECT
        m.place,
        e.first_key
    FROM contact_places AS m
    INNER JOIN contact_evidence AS e ON m.contact_number = e.contact_number
    WHERE LEN(e.first_key) > 1
    GROUP BY m.place, e.first_key
    HAVING COUNT(*) BETWEEN 2 AND @block_size
),

rare_last_names AS (
    SELECT
        e.last_key,
        SUBSTRING(e.first_key, 1, 1) AS initial
    FROM contact_evidence AS e
    WHERE e.first_key <> ''
    GROUP BY e.last_key, SUBSTRING(e.first_key, 1, 1)
    HAVING COUNT(*) BETWEEN 2 AND @rare_name
),

sharing AS (
    SELECT
        a.contact_number AS left_number,
        b.contact_number AS right_number
    FROM emails AS k
    INNER JOIN contact_evidence AS a ON k.personal_email = a.personal_email
    INNER JOIN contact_evidence AS b ON k.personal_email = b.personal_email
    WHERE a.contact_number < b.contact_number
    UNION
    SELECT
        a.contact_number AS left_number,
        b.contact_number AS right_number
    FROM direct_phones AS k
    INNER JOIN contact_numbers AS a ON k.phone = a.phone
    INNER JOIN contact_numbers AS b ON k.phone = b.phone
    WHERE a.contact_number < b.contact_number
    UNION
    SELECT
        a.contact_number AS left_number,
        b.contact_number AS right_number
    FROM phone_names AS k
    INNER JOIN contact_numbers AS a ON k.phone = a.phone
    INNER JOIN contact_evidence AS c ON a.contact_number = c.contact_number AND k.last_key = c.last_key
    INNER JOIN contact_numbers AS b ON k.phone = b.phone
    INNER JOIN contact_evidence AS d ON b.contact_number = d.contact_number AND k.last_key = d.last_key
    WHERE a.contact_number < b.contact_number
    UNION
    SELECT
        a.contact_number AS left_number,
        b.contact_number AS right_number
    FROM place_last_names AS k
    INNER JOIN contact_places AS a ON k.place = a.place
    INNER JOIN contact_evidence AS c ON a.contact_number = c.contact_number AND k.last_key = c.last_key
    INNER JOIN contact_places AS b ON k.place = b.place
    INNER JOIN contact_evidence AS d ON b.contact_number = d.contact_number AND k.last_key = d.last_key
    WHERE a.contact_number < b.contact_number
    UNION
    SELECT
        a.contact_number AS left_number,
        b.contact_number AS right_number
    FROM place_first_names AS k
    INNER JOIN contact_places AS a ON k.place = a.place
    INNER JOIN contact_evidence AS c ON a.contact_number = c.contact_number AND k.first_key = c.first_key
    INNER JOIN contact_places AS b ON k.place = b.place
    INNER JOIN contact_evidence AS d ON b.contact_number = d.contact_number AND k.first_key = d.first_key
    WHERE a.contact_number < b.contact_number
    UNION
    SELECT
        CASE WHEN c.contact_number < d.contact_number THEN c.contact_number ELSE d.contact_number END AS left_number,
        CASE WHEN c.contact_number < d.contact_number THEN d.contact_number ELSE c.contact_number END AS right_number
    FROM contact_evidence AS c
    INNER JOIN contact_evidence AS d ON c.first_key = d.last_key AND c.last_key = d.first_key
    INNER JOIN contact_places AS a ON c.contact_number = a.contact_number
    INNER JOIN contact_places AS b ON d.contact_number = b.contact_number AND a.place = b.place
    WHERE c.first_key <> c.last_key
    UNION
    SELECT
        a.contact_number AS left_number,
        b.contact_number AS right_number
    FROM rare_last_names AS k
    INNER JOIN contact_evidence AS a ON k.last_key = a.last_key AND k.initial = SUBSTRING(a.first_key, 1, 1)
    INNER JOIN contact_evidence AS b ON k.last_key = b.last_key AND k.initial = SUBSTRING(b.first_key, 1, 1)
    WHERE a.contact_number < b.contact_number
    UNION
    SELECT
        a.contact_number AS left_number,
        b.contact_number AS right_number
    FROM contact_evidence AS a
    INNER JOIN contact_evidence AS b ON a.last_key = b.last_key AND a.first_key = b.first_key
    WHERE a.contact_number < b.contact_number AND a.first_key <> '' AND a.name_count <= @rare_name
),

shared_numbers AS (
    SELECT
        s.left_number,
        s.right_number,
        MAX(CASE WHEN a.is_direct = 'Y' THEN 1 ELSE 0 END) AS same_direct_phone
    FROM sharing AS s
    INNER JOIN contact_numbers AS a ON s.left_number = a.contact_number
    INNER JOIN contact_numbers AS b ON s.right_number = b.contact_number AND a.phone = b.phone
    GROUP BY s.left_number, s.right_number
),

shared_places AS (
    SELECT
        s.left_number,
        s.right_number,
        MAX(CASE WHEN a.kind = 'employer' THEN 1 ELSE 0 END) AS same_employer,
        MIN(a.contact_count) AS place_contacts
    FROM sharing AS s
    INNER JOIN contact_places AS a ON s.left_number = a.contact_number
    INNER JOIN contact_places AS b ON s.right_number = b.contact_number AND a.place = b.place
    GROUP BY s.left_number, s.right_number
)

SELECT
    s.left_number,
    s.right_number,
    CASE WHEN a.personal_email = b.personal_email THEN 1 ELSE 0 END AS same_email,
    COALESCE(n.same_direct_phone, 0) AS same_direct_phone,
    CASE WHEN n.left_number IS NOT NULL THEN 1 ELSE 0 END AS same_phone,
    COALESCE(m.same_employer, 0) AS same_employer,
    CASE WHEN a.address_key = b.address_key THEN 1 ELSE 0 END AS same_address,
    m.place_contacts
FROM sharing AS s
INNER JOIN contact_evidence AS a ON s.left_number = a.contact_number
INNER JOIN contact_evidence AS b ON s.right_number = b.contact_number
LEFT OUTER JOIN shared_numbers AS n ON s.left_number = n.left_number AND s.right_number = n.right_number
LEFT OUTER JOIN shared_places AS m ON s.left_number = m.left_number AND s.right_number = m.right_number
