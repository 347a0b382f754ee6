-- table: judged_pairs
-- grain: one row for each candidate pair that no first, middle or last name and no suffix tells apart
-- key: left_number, right_number
-- purpose: how the values of a pair agree, for the rules and for the model. place_contacts: how many contacts the
--   smallest place has that both work at; null where they share none. is_rare_there: by chance that place has fewer
--   than @chance others of the name
WITH everyone AS (
    SELECT COUNT(c.contact_number) AS contact_count
    FROM contact_evidence AS c
),

shared_numbers AS (
    SELECT
        p.left_number,
        p.right_number,
        MAX(CASE WHEN a.is_direct = 'Y' THEN 1 ELSE 0 END) AS same_direct_phone
    FROM pair_names AS p
    INNER JOIN contact_numbers AS a ON p.left_number = a.contact_number
    INNER JOIN contact_numbers AS b ON p.right_number = b.contact_number AND a.phone = b.phone
    GROUP BY p.left_number, p.right_number
),

shared_places AS (
    SELECT
        p.left_number,
        p.right_number,
        MIN(a.contact_count) AS place_contacts
    FROM pair_names AS p
    INNER JOIN contact_places AS a ON p.left_number = a.contact_number
    INNER JOIN contact_places AS b ON p.right_number = b.contact_number AND a.place_number = b.place_number
    GROUP BY p.left_number, p.right_number
)

SELECT
    p.left_number,
    p.right_number,
    p.same_email,
    p.other_email,
    COALESCE(n.same_direct_phone, 0) AS same_direct_phone,
    CASE WHEN n.left_number IS NULL THEN 0 ELSE 1 END AS same_phone,
    m.place_contacts,
    p.first_names,
    p.middle_names,
    p.last_names,
    p.titles,
    p.areas,
    p.name_count,
    p.initial_number,
    p.full_first_number,
    p.are_names_full,
    p.same_suffix,
    p.same_system,
    CASE
        WHEN CAST(p.name_count AS FLOAT) * m.place_contacts <= CAST(@chance AS FLOAT) * t.contact_count THEN 'Y'
        ELSE 'N'
    END AS is_rare_there
FROM pair_names AS p
CROSS JOIN everyone AS t
LEFT OUTER JOIN shared_numbers AS n ON p.left_number = n.left_number AND p.right_number = n.right_number
LEFT OUTER JOIN shared_places AS m ON p.left_number = m.left_number AND p.right_number = m.right_number
WHERE p.last_names <> 'different' OR p.same_email = 1 OR n.left_number IS NOT NULL
