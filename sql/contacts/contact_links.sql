-- table: contact_links
-- grain: one row for each pair of contacts that a rule holds to be one person
-- key: left_system, left_contact_id, right_system, right_contact_id
-- purpose: the certain links. A pair that a veto covers is none: incompatible first names, suffixes or middle names,
--   or two personal addresses of one mail domain
WITH initials AS (
    -- An initial that fits two first names of one surname and number or place is no certain evidence for either.
    SELECT j.initial_number
    FROM judged_pairs AS j
    WHERE j.first_names = 'initial' AND j.last_names IN ('same', 'typo') AND j.other_email <> 'D'
    GROUP BY j.initial_number
    HAVING MIN(j.full_first_number) <> MAX(j.full_first_number)
),

ruled AS (
    SELECT
        j.left_number,
        j.right_number,
        j.first_names,
        j.last_names,
        CASE
            WHEN
                j.same_email = 1 AND j.last_names IN ('same', 'typo', 'part', 'swapped')
                AND j.first_names IN ('same', 'nickname', 'typo', 'slip', 'prefix', 'swapped') THEN 1
            WHEN j.same_email = 1 AND j.last_names IN ('same', 'typo') AND j.first_names = 'initial' THEN 2
            WHEN j.same_email = 1 AND j.first_names = 'same' AND j.are_names_full = 'Y' THEN 3
            WHEN
                j.same_direct_phone = 1 AND j.last_names IN ('same', 'typo', 'part', 'swapped') AND j.same_suffix = 'Y'
                AND j.first_names IN ('same', 'nickname', 'typo', 'swapped') THEN 4
            WHEN
                j.same_phone = 1 AND j.is_rare_there = 'Y' AND j.last_names = 'same' AND j.same_suffix = 'Y'
                AND j.first_names IN ('same', 'nickname') THEN 5
            WHEN
                j.same_direct_phone = 1 AND j.place_contacts IS NOT NULL AND j.first_names = 'same'
                AND j.are_names_full = 'Y' AND j.same_suffix = 'Y' AND j.other_email = 'N' THEN 6
            WHEN
                j.same_direct_phone = 1 AND j.last_names IN ('same', 'typo') AND j.first_names = 'initial'
                AND n.initial_number IS NULL AND j.same_suffix = 'Y' AND j.other_email = 'N' THEN 7
            WHEN
                j.is_rare_there = 'Y' AND j.last_names IN ('same', 'swapped') AND j.same_suffix = 'Y'
                AND j.first_names IN ('same', 'nickname', 'typo', 'swapped') AND j.other_email = 'N' THEN 8
        END AS tier
    FROM judged_pairs AS j
    LEFT OUTER JOIN initials AS n ON j.initial_number = n.initial_number
    WHERE j.other_email <> 'D'
)

SELECT
    a.source_system AS left_system,
    a.contact_id AS left_contact_id,
    b.source_system AS right_system,
    b.contact_id AS right_contact_id,
    r.tier,
    CASE
        WHEN r.tier = 1 THEN 'email_and_name'
        WHEN r.tier = 2 THEN 'email_and_initial'
        WHEN r.tier = 3 THEN 'email_and_first_name'
        WHEN r.tier = 4 THEN 'direct_phone_and_name'
        WHEN r.tier = 5 THEN 'phone_name_and_place'
        WHEN r.tier = 6 THEN 'direct_phone_first_name_and_place'
        WHEN r.tier = 7 THEN 'direct_phone_and_initial'
        ELSE 'rare_name_and_place'
    END AS rule_name,
    r.left_number,
    r.right_number,
    CONCAT(
        CASE
            WHEN r.tier IN (1, 2, 3) THEN 'same personal email'
            WHEN r.tier IN (4, 7) THEN 'same direct phone'
            WHEN r.tier = 5 THEN 'same phone and place of work'
            WHEN r.tier = 6 THEN 'same direct phone and place of work'
            ELSE 'same place of work, and the name is rare there'
        END,
        '; first names: ', r.first_names, '; last names: ', r.last_names
    ) AS reason
FROM ruled AS r
INNER JOIN contact_evidence AS a ON r.left_number = a.contact_number
INNER JOIN contact_evidence AS b ON r.right_number = b.contact_number
WHERE r.tier IS NOT NULL
