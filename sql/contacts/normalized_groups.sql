-- table: normalized_groups
-- grain: one row for each employer group
-- key: source_system, group_id
-- purpose: what Salesforce is to have of each group: the address as Publication 28 writes it, the phone in E.164
SELECT
    g.source_system,
    g.group_id,
    LTRIM(RTRIM(REPLACE(REPLACE(REPLACE(g.group_name, CHAR(9), ' '), CHAR(10), ' '), CHAR(13), ' '))) AS group_name,
    p.phone,
    p.phone_ext,
    p.problem AS phone_problem,
    a.address_line1,
    a.address_line2,
    a.city,
    a.state_code,
    a.postal_code,
    a.problem AS address_problem
FROM employer_groups AS g
INNER JOIN group_values AS v ON g.source_system = v.source_system AND g.group_id = v.group_id
LEFT OUTER JOIN phone_values AS p ON v.phone_raw = p.raw_value
LEFT OUTER JOIN address_values AS a ON v.address_raw = a.raw_value
