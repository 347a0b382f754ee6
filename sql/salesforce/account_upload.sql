-- table: account_upload
-- grain: one row for each legal entity and each employer group
-- key: membership_key
-- purpose: what Salesforce is to hold as Accounts: legal entities as parents, employer groups as their children
SELECT
    CONCAT('LE:', e.legal_entity_id) AS membership_key,
    e.legal_entity_name AS account_name,
    CAST(NULL AS NVARCHAR(255)) AS parent_key,
    CAST(NULL AS NVARCHAR(500)) AS street,
    CAST(NULL AS NVARCHAR(100)) AS city,
    CAST(NULL AS NVARCHAR(2)) AS state_code,
    CAST(NULL AS NVARCHAR(10)) AS postal_code,
    CAST(NULL AS NVARCHAR(60)) AS phone,
    CAST(NULL AS NVARCHAR(100)) AS source_system,
    CAST(NULL AS NVARCHAR(100)) AS group_number,
    'false' AS is_ihm,
    e.tax_id,
    'Active' AS membership_status
FROM legal_entities AS e
UNION ALL
SELECT
    CONCAT('GR:', g.source_system, ':', g.group_id) AS membership_key,
    n.group_name AS account_name,
    CASE WHEN l.legal_entity_id IS NOT NULL THEN CONCAT('LE:', l.legal_entity_id) END AS parent_key,
    CASE
        WHEN n.address_line2 IS NULL THEN n.address_line1
        ELSE CONCAT(n.address_line1, CHAR(10), n.address_line2)
    END AS street,
    n.city,
    n.state_code,
    n.postal_code,
    CASE WHEN n.phone_ext IS NULL THEN n.phone ELSE CONCAT(n.phone, ' x', n.phone_ext) END AS phone,
    g.source_system,
    g.group_id AS group_number,
    CASE WHEN g.ihm_indicator = 'Y' THEN 'true' ELSE 'false' END AS is_ihm,
    CAST(NULL AS NVARCHAR(100)) AS tax_id,
    'Active' AS membership_status
FROM employer_groups AS g
LEFT OUTER JOIN normalized_groups AS n ON g.source_system = n.source_system AND g.group_id = n.group_id
LEFT OUTER JOIN group_legal_entities AS l ON g.source_system = l.source_system AND g.group_id = l.group_id
