-- table: review_pairs
-- grain: one row for each pair of contacts that may be one person, though no rule is certain of it
-- key: left_system, left_contact_id, right_system, right_contact_id
-- purpose: the review queue: scored pairs whose contacts are two persons now; the heaviest are the likeliest. Pairs
--   that somebody decided never to be one are taken out afterwards
SELECT
    a.source_system AS left_system,
    a.contact_id AS left_contact_id,
    b.source_system AS right_system,
    b.contact_id AS right_contact_id,
    s.weight,
    CONCAT(
        'first names: ', j.first_names, '; last names: ', j.last_names,
        CASE
            WHEN j.same_email = 1 THEN '; same personal email'
            WHEN j.other_email = 'N' THEN ''
            ELSE '; other personal email'
        END,
        CASE
            WHEN j.same_direct_phone = 1 THEN '; same direct phone'
            WHEN j.same_phone = 1 THEN '; same phone'
            ELSE ''
        END,
        CASE WHEN j.place_contacts IS NULL THEN '' ELSE '; same place of work' END,
        CASE WHEN j.is_rare_there = 'Y' THEN '; the name is rare there' ELSE '' END
    ) AS reason,
    s.evidence
FROM pair_scores AS s
INNER JOIN judged_pairs AS j ON s.left_number = j.left_number AND s.right_number = j.right_number
INNER JOIN contact_evidence AS a ON j.left_number = a.contact_number
INNER JOIN contact_evidence AS b ON j.right_number = b.contact_number
INNER JOIN contact_persons AS p ON a.source_system = p.system AND a.contact_id = p.contact_id
INNER JOIN contact_persons AS q ON b.source_system = q.system AND b.contact_id = q.contact_id
WHERE p.person_id <> q.person_id
