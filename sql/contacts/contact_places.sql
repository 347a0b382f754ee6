-- table: contact_places
-- grain: one row for each contact and place of work
-- key: contact_number, place_number
-- purpose: where a contact works, in the ways that contacts say it: the legal entity of a role (else the employer
--   group), the employer whose mail domain it has, the office address, the domain itself. All are one fact said in
--   several ways, so that a pair is credited with the narrowest of those that it shares, once
WITH employers AS (
    SELECT DISTINCT
        e.contact_number,
        e.work_domain,
        COALESCE(g.legal_entity_id, CONCAT(r.source_system, '/', r.group_id)) AS place
    FROM contact_evidence AS e
    INNER JOIN source_contact_roles AS r ON e.source_system = r.source_system AND e.contact_id = r.contact_id
    LEFT OUTER JOIN group_legal_entities AS g ON r.source_system = g.source_system AND r.group_id = g.group_id
),

-- Whose a mail domain is: the employer of more than half of the contacts that write from it, of at least two.
domain_employers AS (
    SELECT
        d.work_domain,
        d.place,
        d.contact_count,
        SUM(d.contact_count) OVER (PARTITION BY d.work_domain) AS domain_contacts
    FROM (
        SELECT
            e.work_domain,
            e.place,
            COUNT(*) AS contact_count
        FROM employers AS e
        WHERE e.work_domain IS NOT NULL
        GROUP BY e.work_domain, e.place
    ) AS d
),

places AS (
    SELECT
        e.contact_number,
        e.place,
        'employer' AS kind
    FROM employers AS e
    UNION
    SELECT
        e.contact_number,
        d.place,
        'employer' AS kind
    FROM contact_evidence AS e
    INNER JOIN domain_employers AS d ON e.work_domain = d.work_domain
    WHERE d.contact_count > 1 AND 2 * d.contact_count > d.domain_contacts
    UNION
    SELECT
        e.contact_number,
        CONCAT('address ', LEFT(e.address_key, 200)) AS place,
        'address' AS kind
    FROM contact_evidence AS e
    WHERE e.address_key IS NOT NULL
    UNION
    SELECT
        e.contact_number,
        CONCAT('domain ', LEFT(e.work_domain, 200)) AS place,
        'domain' AS kind
    FROM contact_evidence AS e
    WHERE e.work_domain IS NOT NULL
),

sizes AS (
    SELECT
        p.place,
        CAST(ROW_NUMBER() OVER (ORDER BY p.place) AS BIGINT) AS place_number,
        COUNT(*) AS contact_count
    FROM places AS p
    GROUP BY p.place
)

SELECT
    p.contact_number,
    s.place_number,
    p.kind,
    s.contact_count
FROM places AS p
INNER JOIN sizes AS s ON p.place = s.place
