-- table: group_values
-- grain: one row for each employer group
-- key: source_system, group_id
-- purpose: the raw values of employer groups that the dictionaries are asked for, trimmed and capped
SELECT
    g.source_system,
    g.group_id,
    LEFT(NULLIF(LTRIM(RTRIM(g.phone)), ''), 400) AS phone_raw,
    CASE
        WHEN LTRIM(CONCAT(g.address_line1, g.address_line2, g.city, g.state_code, g.postal_code)) <> ''
            THEN LEFT(CONCAT(
                LTRIM(RTRIM(g.address_line1)), CHAR(31), LTRIM(RTRIM(g.address_line2)), CHAR(31),
                LTRIM(RTRIM(g.city)), CHAR(31), LTRIM(RTRIM(g.state_code)), CHAR(31), LTRIM(RTRIM(g.postal_code))
            ), 400)
    END AS address_raw
FROM employer_groups AS g
