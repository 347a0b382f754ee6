-- table: contact_links
-- grain: one row for each pair of contacts that a rule holds to be one person
-- key: left_system, left_contact_id, right_system, right_contact_id
-- purpose: the certain links. A pair that a veto covers is none: incompatible first names, suffixes or middle names,
--   or two personal addresses of one mail domain
WITH judged AS (
    SELECT
        p.left_number,
        p.right_number,
        p.same_email,
        p.same_direct_phone,
        p.same_phone,
        p.same_employer,
        p.same_address,
        a.name_count,
        CASE
            WHEN a.first_key = b.first_key AND a.first_key <> '' THEN 'same'
            WHEN a.first_key = '' OR b.first_key = '' THEN 'missing'
            ELSE COALESCE(f.agreement, g.agreement)
        END AS first_names,
        CASE WHEN a.last_key = b.last_key THEN 'same' ELSE COALESCE(h.agreement, i.agreement) END AS last_names,
        CASE
            WHEN a.suffix_key <> b.suffix_key AND a.suffix_key <> '' AND b.suffix_key <> '' THEN 'Y'
            WHEN
                a.middle_key <> '' AND b.middle_key <> ''
                AND SUBSTRING(a.middle_key, 1, 1) <> SUBSTRING(b.middle_key, 1, 1) THEN 'Y'
            WHEN a.email_domain = b.email_domain AND a.personal_email <> b.personal_email THEN 'Y'
            ELSE 'N'
        END AS is_vetoed,
        CASE
            WHEN a.suffix_key <> b.suffix_key THEN 'N'
            ELSE 'Y'
        END AS same_suffix
    FROM candidate_pairs AS p
    INNER JOIN contact_evidence AS a ON p.left_number = a.contact_number
    INNER JOIN contact_evidence AS b ON p.right_number = b.contact_number
    LEFT OUTER JOIN name_comparisons AS f
        ON f.kind = 'first' AND a.first_key = f.left_key AND b.first_key = f.right_key
    LEFT OUTER JOIN name_comparisons AS g
        ON g.kind = 'first' AND b.first_key = g.left_key AND a.first_key = g.right_key
    LEFT OUTER JOIN name_comparisons AS h
        ON h.kind = 'last' AND a.last_key = h.left_key AND b.last_key = h.right_key
    LEFT OUTER JOIN name_comparisons AS i
        ON i.kind = 'last' AND b.last_key = i.left_key AND a.last_key = i.right_key
),

ruled AS (
    SELECT
        j.left_number,
        j.right_number,
        j.first_names,
        j.last_names,
        CASE
            WHEN
                j.same_email = 1 AND j.last_names IN ('same', 'typo', 'part')
                AND j.first_names IN ('same', 'nickname', 'typo', 'prefix') THEN 1
            WHEN j.same_email = 1 AND j.last_names IN ('same', 'typo') AND j.first_names = 'initial' THEN 2
            WHEN
                j.same_direct_phone = 1 AND j.last_names = 'same' AND j.same_suffix = 'Y'
                AND j.first_names IN ('same', 'nickname') THEN 3
            WHEN
                j.same_phone = 1 AND j.same_employer = 1 AND j.last_names = 'same' AND j.same_suffix = 'Y'
                AND j.first_names IN ('same', 'nickname') THEN 4
            WHEN
                j.same_employer = 1 AND j.same_address = 1 AND j.last_names = 'same' AND j.same_suffix = 'Y'
                AND j.first_names IN ('same', 'nickname') THEN 5
        END AS tier
    FROM judged AS j
    WHERE j.is_vetoed = 'N' AND j.first_names <> 'different'
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
        WHEN r.tier = 3 THEN 'direct_phone_and_name'
        WHEN r.tier = 4 THEN 'phone_name_and_employer'
        ELSE 'name_employer_and_address'
    END AS rule_name,
    CONCAT(
        CASE
            WHEN r.tier IN (1, 2) THEN 'same personal email'
            WHEN r.tier = 3 THEN 'same direct phone'
            WHEN r.tier = 4 THEN 'same phone and employer'
            ELSE 'same employer and address'
        END,
        '; first names: ', r.first_names, '; last names: ', r.last_names
    ) AS reason
FROM ruled AS r
INNER JOIN contact_evidence AS a ON r.left_number = a.contact_number
INNER JOIN contact_evidence AS b ON r.right_number = b.contact_number
WHERE r.tier IS NOT NULL
