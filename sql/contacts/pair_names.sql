-- table: pair_names
-- grain: one row for each candidate pair that no first or middle name and no suffix tells apart
-- key: left_number, right_number
-- purpose: how the names, titles, area codes and personal mailboxes of a pair agree. other_email is Y, N, or D: two
--   personal addresses of one mail domain, which vetoes a link. contacts/vetoes.py asks the same of contacts that are
--   no candidates and that links would make one person through others
WITH compared AS (
    SELECT
        p.left_number,
        p.right_number,
        CASE WHEN a.name_count > b.name_count THEN a.name_count ELSE b.name_count END AS name_count,
        CASE
            WHEN a.first_number = b.last_number AND a.last_number = b.first_number AND a.first_key <> '' THEN 'swapped'
            WHEN a.first_key = '' OR b.first_key = '' THEN 'missing'
            WHEN a.first_number = b.first_number THEN 'same'
            ELSE COALESCE(f.agreement, g.agreement)
        END AS first_names,
        CASE
            WHEN a.middle_key = '' OR b.middle_key = '' THEN 'missing'
            ELSE 'same'
        END AS middle_names,
        CASE
            WHEN a.first_number = b.last_number AND a.last_number = b.first_number THEN 'swapped'
            WHEN a.last_number = b.last_number THEN 'same'
            ELSE COALESCE(h.agreement, i.agreement)
        END AS last_names,
        CASE
            WHEN a.title_number = b.title_number THEN 'same'
            WHEN a.title_number IS NULL OR b.title_number IS NULL THEN 'missing'
            ELSE 'different'
        END AS titles,
        CASE
            WHEN a.area_code = b.area_code THEN 'same'
            WHEN a.area_code IS NULL OR b.area_code IS NULL THEN 'missing'
            ELSE 'different'
        END AS areas,
        CASE WHEN LEN(a.first_key) < LEN(b.first_key) THEN p.left_number ELSE p.right_number END AS initial_number,
        CASE WHEN LEN(a.first_key) < LEN(b.first_key) THEN b.first_number ELSE a.first_number END AS full_first_number,
        CASE WHEN LEN(a.first_key) > 1 AND LEN(b.first_key) > 1 THEN 'Y' ELSE 'N' END AS are_names_full,
        CASE WHEN a.suffix_key = b.suffix_key THEN 'Y' ELSE 'N' END AS same_suffix,
        CASE WHEN a.source_system = b.source_system THEN 'Y' ELSE 'N' END AS same_system,
        CASE WHEN a.personal_email = b.personal_email THEN 1 ELSE 0 END AS same_email,
        CASE
            WHEN a.personal_email <> b.personal_email AND a.email_domain = b.email_domain THEN 'D'
            WHEN a.personal_email <> b.personal_email THEN 'Y'
            ELSE 'N'
        END AS other_email
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
    c.name_count,
    c.first_names,
    c.middle_names,
    c.last_names,
    c.titles,
    c.areas,
    c.initial_number,
    c.full_first_number,
    c.are_names_full,
    c.same_suffix,
    c.same_system,
    c.same_email,
    c.other_email
FROM compared AS c
WHERE c.first_names <> 'different'
