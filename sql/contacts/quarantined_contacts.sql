-- table: quarantined_contacts
-- grain: one row for each source contact that is no person
-- key: source_system, contact_id
-- purpose: source contacts without a usable name, each with its reason; all others are normalized contacts
SELECT
    v.source_system,
    v.contact_id,
    COALESCE(n.problem, 'no_name') AS reason,
    CASE
        WHEN n.problem = 'not_a_person' THEN 'the name is that of a department, a mailbox or an organization'
        WHEN n.problem = 'several_persons' THEN 'the name names more than one person'
        WHEN n.problem = 'placeholder_name' THEN 'the name is a filler, such as Test or Unknown'
        WHEN n.problem = 'too_long' THEN 'the name has more than 200 characters'
        ELSE 'neither a full name nor a last name was delivered'
    END AS detail
FROM contact_values AS v
LEFT OUTER JOIN name_values AS n ON v.name_raw = n.raw_value
WHERE n.last_key IS NULL
