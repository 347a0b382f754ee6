-- table: candidate_pairs
-- grain: one row for each pair of contacts that shares something worth a look
-- key: left_number, right_number
-- purpose: the pairs that the rules and the model judge: those that share a block
SELECT DISTINCT
    a.contact_number AS left_number,
    b.contact_number AS right_number
FROM contact_blocks AS a
INNER JOIN contact_blocks AS b
    ON a.kind = b.kind AND a.first_part = b.first_part AND a.second_part = b.second_part
WHERE a.contact_number < b.contact_number
