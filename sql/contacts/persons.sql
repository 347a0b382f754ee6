-- table: persons
-- grain: one row for each living person
-- key: person_id
-- purpose: the golden record: each attribute from the contact that golden_values names. A bad email (invalid,
--   placeholder, bounced) is never delivered: email is null then, and email_status says why
WITH members AS (
    SELECT
        p.person_id,
        COUNT(*) AS contact_count,
        MAX(n.is_active) AS is_active
    FROM contact_persons AS p
    INNER JOIN normalized_contacts AS n ON p.system = n.source_system AND p.contact_id = n.contact_id
    GROUP BY p.person_id
)

SELECT
    m.person_id,
    n.first_name,
    n.middle_name,
    n.last_name,
    n.name_suffix,
    t.title,
    CASE WHEN e.email_status IN ('valid', 'shared', 'role') THEN e.email END AS email,
    COALESCE(e.email_status, 'none') AS email_status,
    f.phone,
    f.phone_ext,
    c.mobile,
    a.address_line1,
    a.address_line2,
    a.city,
    a.state_code,
    a.postal_code,
    m.is_active,
    CAST(m.contact_count AS INT) AS contact_count
FROM members AS m
INNER JOIN golden_values AS gn ON m.person_id = gn.person_id AND gn.attribute = 'name'
INNER JOIN normalized_contacts AS n ON gn.system = n.source_system AND gn.contact_id = n.contact_id
LEFT OUTER JOIN golden_values AS gt ON m.person_id = gt.person_id AND gt.attribute = 'title'
LEFT OUTER JOIN normalized_contacts AS t ON gt.system = t.source_system AND gt.contact_id = t.contact_id
LEFT OUTER JOIN golden_values AS ge ON m.person_id = ge.person_id AND ge.attribute = 'email'
LEFT OUTER JOIN normalized_contacts AS e ON ge.system = e.source_system AND ge.contact_id = e.contact_id
LEFT OUTER JOIN golden_values AS gf ON m.person_id = gf.person_id AND gf.attribute = 'phone'
LEFT OUTER JOIN normalized_contacts AS f ON gf.system = f.source_system AND gf.contact_id = f.contact_id
LEFT OUTER JOIN golden_values AS gc ON m.person_id = gc.person_id AND gc.attribute = 'mobile'
LEFT OUTER JOIN normalized_contacts AS c ON gc.system = c.source_system AND gc.contact_id = c.contact_id
LEFT OUTER JOIN golden_values AS ga ON m.person_id = ga.person_id AND ga.attribute = 'address'
LEFT OUTER JOIN normalized_contacts AS a ON ga.system = a.source_system AND ga.contact_id = a.contact_id
