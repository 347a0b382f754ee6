-- table: contact_employers
-- grain: one row for each contact and employer
-- key: contact_number, employer
-- purpose: for whom a contact has a role: the legal entity where the roll-up found it, else the employer group
SELECT DISTINCT
    e.contact_number,
    COALESCE(g.legal_entity_id, CONCAT(r.source_system, '/', r.group_id)) AS employer
FROM contact_evidence AS e
INNER JOIN source_contact_roles AS r ON e.source_system = r.source_system AND e.contact_id = r.contact_id
LEFT OUTER JOIN group_legal_entities AS g ON r.source_system = g.source_system AND r.group_id = g.group_id
