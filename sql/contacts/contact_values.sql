-- table: contact_values
-- grain: one row for each source contact
-- key: source_system, contact_id
-- purpose: the raw values that the dictionaries are asked for, trimmed and capped; parts of one value are joined by
--   the unit separator
SELECT
    c.source_system,
    c.contact_id,
    CASE
        WHEN LTRIM(RTRIM(c.last_name)) <> ''
            THEN LEFT(CONCAT(LTRIM(RTRIM(c.first_name)), CHAR(31), LTRIM(RTRIM(c.last_name))), 400)
        WHEN LTRIM(RTRIM(c.full_name)) <> '' THEN LEFT(LTRIM(RTRIM(c.full_name)), 400)
        WHEN LTRIM(RTRIM(c.first_name)) <> '' THEN LEFT(LTRIM(RTRIM(c.first_name)), 400)
    END AS name_raw,
    LEFT(NULLIF(LTRIM(RTRIM(c.email)), ''), 400) AS email_raw,
    LEFT(NULLIF(LTRIM(RTRIM(c.phone)), ''), 400) AS phone_raw,
    LEFT(NULLIF(LTRIM(RTRIM(c.mobile)), ''), 400) AS mobile_raw,
    CASE
        WHEN LTRIM(CONCAT(c.address_line1, c.address_line2, c.city, c.state_code, c.postal_code)) <> ''
            THEN LEFT(CONCAT(
                LTRIM(RTRIM(c.address_line1)), CHAR(31), LTRIM(RTRIM(c.address_line2)), CHAR(31),
                LTRIM(RTRIM(c.city)), CHAR(31), LTRIM(RTRIM(c.state_code)), CHAR(31), LTRIM(RTRIM(c.postal_code))
            ), 400)
    END AS address_raw
FROM source_contacts AS c
