-- table: contact_upload
-- grain: one row for each person
-- key: person_id
-- purpose: what Salesforce is to hold as Contacts: the golden record, at the account of the primary role. A bad email
--   (invalid, placeholder, bounced) is never sent; its status is
SELECT
    p.person_id,
    CASE WHEN g.group_id IS NOT NULL THEN CONCAT('GR:', g.source_system, ':', g.group_id) END AS account_key,
    p.first_name,
    p.last_name,
    p.title,
    CASE WHEN p.email_status IN ('valid', 'shared', 'role') THEN p.email END AS email,
    CASE WHEN p.email_status = 'none' THEN 'missing' ELSE p.email_status END AS email_status,
    p.phone,
    p.phone_ext AS phone_extension,
    p.mobile,
    CASE
        WHEN p.address_line2 IS NULL THEN p.address_line1
        ELSE CONCAT(p.address_line1, CHAR(10), p.address_line2)
    END AS street,
    p.city,
    p.state_code,
    p.postal_code,
    CASE WHEN p.is_active = 'Y' THEN 'Active' ELSE 'Inactive' END AS membership_status
FROM persons AS p
LEFT OUTER JOIN person_roles AS r ON p.person_id = r.person_id AND r.is_primary = 'Y'
LEFT OUTER JOIN employer_groups AS g ON r.source_system = g.source_system AND r.group_id = g.group_id
