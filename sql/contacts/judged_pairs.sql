-- table: judged_pairs
-- grain: one row for each candidate pair that no suffix and no middle name tells apart
-- key: left_number, right_number
-- purpose: how the names and mailboxes of a pair agree. other_email is Y, N, or D: two personal addresses of one mail
--   domain, which vetoes a link. is_rare_there: by chance the place that both work at has fewer than @chance others of
--   the name. weight: log2 of the odds that the pair is one person, by fixed weights: the name's and the place's rarity
--   among all contacts, and what else agrees or not
WITH everyone AS (
    SELECT COUNT(c.contact_number) AS contact_count
    FROM contact_evidence AS c
),

compared AS (
    SELECT
        p.left_number,
        p.right_number,
        p.same_email,
        p.same_direct_phone,
        p.same_phone,
        p.place_contacts,
        t.contact_count,
        CASE WHEN a.name_count > b.name_count THEN a.name_count ELSE b.name_count END AS name_count,
        CASE
            WHEN a.first_key = b.last_key AND a.last_key = b.first_key AND a.first_key <> '' THEN 'swapped'
            WHEN a.first_key = b.first_key AND a.first_key <> '' THEN 'same'
            WHEN a.first_key = '' OR b.first_key = '' THEN 'missing'
            ELSE COALESCE(f.agreement, g.agreement)
        END AS first_names,
        CASE
            WHEN a.first_key = b.last_key AND a.last_key = b.first_key THEN 'swapped'
            WHEN a.last_key = b.last_key THEN 'same'
            ELSE COALESCE(h.agreement, i.agreement)
        END AS last_names,
        CASE WHEN LEN(a.first_key) < LEN(b.first_key) THEN p.left_number ELSE p.right_number END AS initial_number,
        CASE WHEN LEN(a.first_key) < LEN(b.first_key) THEN b.first_key ELSE a.first_key END AS full_first_key,
        CASE WHEN a.suffix_key = b.suffix_key THEN 'Y' ELSE 'N' END AS same_suffix,
        CASE
            WHEN a.personal_email <> b.personal_email AND a.email_domain = b.email_domain THEN 'D'
            WHEN a.personal_email <> b.personal_email THEN 'Y'
            ELSE 'N'
        END AS other_email
    FROM candidate_pairs AS p
    CROSS JOIN everyone AS t
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
    WHERE
        NOT (a.suffix_key <> b.suffix_key AND a.suffix_key <> '' AND b.suffix_key <> '')
        AND NOT (
            a.middle_key <> '' AND b.middle_key <> ''
            AND SUBSTRING(a.middle_key, 1, 1) <> SUBSTRING(b.middle_key, 1, 1)
        )
)

SELECT
    c.left_number,
    c.right_number,
    c.same_email,
    c.same_direct_phone,
    c.same_phone,
    c.place_contacts,
    c.first_names,
    c.last_names,
    c.initial_number,
    c.full_first_key,
    c.same_suffix,
    c.other_email,
    CASE
        WHEN CAST(c.name_count AS FLOAT) * c.place_contacts <= CAST(@chance AS FLOAT) * c.contact_count THEN 'Y'
        ELSE 'N'
    END AS is_rare_there,
    -LOG(CAST(c.name_count AS FLOAT)) / LOG(CAST(2 AS FLOAT))
    + CASE
        WHEN c.place_contacts IS NULL THEN 0
        ELSE LOG(CAST(c.contact_count AS FLOAT) / c.place_contacts) / LOG(CAST(2 AS FLOAT))
    END
    + CASE WHEN c.same_direct_phone = 1 THEN 12 WHEN c.same_phone = 1 THEN 3 ELSE 0 END
    + CASE WHEN c.same_email = 1 THEN 14 WHEN c.other_email = 'D' THEN -18 WHEN c.other_email = 'Y' THEN -3 ELSE 0 END
    + CASE
        WHEN c.first_names IN ('same', 'swapped') THEN 0
        WHEN c.first_names IN ('nickname', 'typo') THEN -2
        WHEN c.first_names = 'prefix' THEN -4
        WHEN c.first_names = 'initial' THEN -5
        WHEN c.first_names = 'missing' THEN -7
        ELSE -28
    END
    + CASE
        WHEN c.last_names IN ('same', 'swapped') THEN 0
        WHEN c.last_names IN ('typo', 'part') THEN -3
        ELSE -16
    END AS weight
FROM compared AS c
