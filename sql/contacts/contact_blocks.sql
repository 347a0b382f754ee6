-- table: contact_blocks
-- grain: one row for each contact and block
-- key: contact_number, kind, first_part, second_part
-- purpose: what makes two contacts a candidate pair: they share a block. A block is a value, or a value with a name,
--   that at most @block_size contacts have, of a name alone at most @rare_name, of a last name, an initial and a title
--   at most @rare_title; its parts are numbers, to compare fast
WITH emails AS (
    SELECT
        e.personal_email,
        CAST(ROW_NUMBER() OVER (ORDER BY e.personal_email) AS BIGINT) AS email_number
    FROM contact_evidence AS e
    WHERE e.personal_email IS NOT NULL
    GROUP BY e.personal_email
    HAVING COUNT(*) > 1
),

phones AS (
    SELECT
        n.phone,
        CAST(ROW_NUMBER() OVER (ORDER BY n.phone) AS BIGINT) AS phone_number
    FROM contact_numbers AS n
    GROUP BY n.phone
    HAVING COUNT(*) > 1
),

blocks AS (
    SELECT
        e.contact_number,
        'email' AS kind,
        m.email_number AS first_part,
        CAST(0 AS BIGINT) AS second_part
    FROM contact_evidence AS e
    INNER JOIN emails AS m ON e.personal_email = m.personal_email
    UNION ALL
    SELECT
        n.contact_number,
        'direct phone' AS kind,
        p.phone_number AS first_part,
        CAST(0 AS BIGINT) AS second_part
    FROM contact_numbers AS n
    INNER JOIN phones AS p ON n.phone = p.phone
    WHERE n.is_direct = 'Y'
    UNION ALL
    SELECT
        n.contact_number,
        'phone and last name' AS kind,
        p.phone_number AS first_part,
        e.last_number AS second_part
    FROM contact_numbers AS n
    INNER JOIN phones AS p ON n.phone = p.phone
    INNER JOIN contact_evidence AS e ON n.contact_number = e.contact_number
    WHERE n.is_direct = 'N'
    UNION ALL
    SELECT
        m.contact_number,
        'place and last name' AS kind,
        m.place_number AS first_part,
        e.last_number AS second_part
    FROM contact_places AS m
    INNER JOIN contact_evidence AS e ON m.contact_number = e.contact_number
    WHERE m.contact_count > 1
    UNION ALL
    SELECT
        m.contact_number,
        'place and first name' AS kind,
        m.place_number AS first_part,
        e.first_number AS second_part
    FROM contact_places AS m
    INNER JOIN contact_evidence AS e ON m.contact_number = e.contact_number
    WHERE m.contact_count > 1 AND LEN(e.first_key) > 1
    UNION ALL
    SELECT
        e.contact_number,
        'name' AS kind,
        CASE WHEN e.first_number < e.last_number THEN e.first_number ELSE e.last_number END AS first_part,
        CASE WHEN e.first_number < e.last_number THEN e.last_number ELSE e.first_number END AS second_part
    FROM contact_evidence AS e
    WHERE LEN(e.first_key) > 1
    UNION ALL
    SELECT
        e.contact_number,
        'last name and initial' AS kind,
        e.last_number AS first_part,
        CAST(UNICODE(e.first_key) AS BIGINT) AS second_part
    FROM contact_evidence AS e
    WHERE e.first_key <> ''
    UNION ALL
    SELECT
        e.contact_number,
        'first name and title' AS kind,
        -- The numbers of names are below 2 ** 31, so that two of them make one.
        e.first_number * CAST(2147483648 AS BIGINT) + e.start_number AS first_part,
        e.title_number AS second_part
    FROM contact_evidence AS e
    WHERE LEN(e.first_key) > 1 AND e.title_number IS NOT NULL
    UNION ALL
    SELECT
        e.contact_number,
        'last name and title' AS kind,
        e.last_number * CAST(2147483648 AS BIGINT) + UNICODE(e.first_key) AS first_part,
        e.title_number AS second_part
    FROM contact_evidence AS e
    WHERE e.first_key <> '' AND e.title_number IS NOT NULL
),

sizes AS (
    SELECT
        b.kind,
        b.first_part,
        b.second_part
    FROM blocks AS b
    GROUP BY b.kind, b.first_part, b.second_part
    HAVING
        COUNT(*) BETWEEN 2 AND CASE
            WHEN b.kind IN ('name', 'last name and initial') THEN CAST(@rare_name AS BIGINT)
            WHEN b.kind = 'last name and title' THEN CAST(@rare_title AS BIGINT)
            ELSE CAST(@block_size AS BIGINT)
        END
)

SELECT
    b.contact_number,
    b.kind,
    b.first_part,
    b.second_part
FROM blocks AS b
INNER JOIN sizes AS s ON b.kind = s.kind AND b.first_part = s.first_part AND b.second_part = s.second_part
