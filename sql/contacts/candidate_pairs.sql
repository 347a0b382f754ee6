-- table: candidate_pairs
-- grain: one row for each pair of contacts that shares something worth a look
-- key: left_number, right_number
-- purpose: the pairs that the rules and the model judge, with what each pair shares
WITH sharing AS (
    SELECT DISTINCT
        a.contact_number AS left_number,
        b.contact_number AS right_number
    FROM contact_blocks AS a
    INNER JOIN contact_blocks AS b
        ON a.kind = b.kind AND a.first_part = b.first_part AND a.second_part = b.second_part
    WHERE a.contact_number < b.contact_number
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
    INNER JOIN contact_places AS b ON s.right_number = b.contact_number AND a.place_number = b.place_number
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
