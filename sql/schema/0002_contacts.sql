-- Contacts: the dictionaries of parsed values, legal entities, normalized contacts, persons.

CREATE TABLE legal_entities (
    legal_entity_id NVARCHAR(220) COLLATE Latin1_General_BIN2 NOT NULL,
    legal_entity_name NVARCHAR(400) COLLATE Latin1_General_BIN2 NOT NULL,
    tax_id NVARCHAR(100) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_legal_entities PRIMARY KEY (legal_entity_id)
);

-- One row for each employer group. problem is null, or says why the roll-up found no legal entity.
CREATE TABLE group_legal_entities (
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    legal_entity_id NVARCHAR(220) COLLATE Latin1_General_BIN2,
    problem NVARCHAR(40) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_group_legal_entities PRIMARY KEY (source_system, group_id)
);

-- One row for each organizational unit that somebody should mend: cycle, orphan, two_roots.
CREATE TABLE org_unit_problems (
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    org_unit_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    problem NVARCHAR(40) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_org_unit_problems PRIMARY KEY (source_system, org_unit_id)
);

-- The raw values of each source contact, trimmed and capped: what is looked up in the dictionaries.
CREATE TABLE contact_values (
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    contact_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    name_raw NVARCHAR(400) COLLATE Latin1_General_BIN2,
    email_raw NVARCHAR(400) COLLATE Latin1_General_BIN2,
    phone_raw NVARCHAR(400) COLLATE Latin1_General_BIN2,
    mobile_raw NVARCHAR(400) COLLATE Latin1_General_BIN2,
    address_raw NVARCHAR(400) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_contact_values PRIMARY KEY (source_system, contact_id)
);

-- The same of each employer group.
CREATE TABLE group_values (
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    phone_raw NVARCHAR(400) COLLATE Latin1_General_BIN2,
    address_raw NVARCHAR(400) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_group_values PRIMARY KEY (source_system, group_id)
);

-- The dictionaries: each distinct raw value, parsed once by the parser of that version. problem says why it is bad.
CREATE TABLE name_values (
    raw_value NVARCHAR(400) COLLATE Latin1_General_BIN2 NOT NULL,
    parser_version INT NOT NULL,
    first_name NVARCHAR(200) COLLATE Latin1_General_BIN2,
    middle_name NVARCHAR(200) COLLATE Latin1_General_BIN2,
    last_name NVARCHAR(200) COLLATE Latin1_General_BIN2,
    name_suffix NVARCHAR(20) COLLATE Latin1_General_BIN2,
    first_key NVARCHAR(200) COLLATE Latin1_General_BIN2,
    middle_key NVARCHAR(200) COLLATE Latin1_General_BIN2,
    last_key NVARCHAR(200) COLLATE Latin1_General_BIN2,
    problem NVARCHAR(60) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_name_values PRIMARY KEY (raw_value)
);

CREATE TABLE email_values (
    raw_value NVARCHAR(400) COLLATE Latin1_General_BIN2 NOT NULL,
    parser_version INT NOT NULL,
    email NVARCHAR(320) COLLATE Latin1_General_BIN2,
    local_part NVARCHAR(64) COLLATE Latin1_General_BIN2,
    domain NVARCHAR(255) COLLATE Latin1_General_BIN2,
    is_public_domain NVARCHAR(1) COLLATE Latin1_General_BIN2,
    email_status NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    problem NVARCHAR(60) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_email_values PRIMARY KEY (raw_value)
);

CREATE TABLE phone_values (
    raw_value NVARCHAR(400) COLLATE Latin1_General_BIN2 NOT NULL,
    parser_version INT NOT NULL,
    phone NVARCHAR(20) COLLATE Latin1_General_BIN2,
    phone_ext NVARCHAR(20) COLLATE Latin1_General_BIN2,
    problem NVARCHAR(60) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_phone_values PRIMARY KEY (raw_value)
);

CREATE TABLE address_values (
    raw_value NVARCHAR(400) COLLATE Latin1_General_BIN2 NOT NULL,
    parser_version INT NOT NULL,
    address_line1 NVARCHAR(200) COLLATE Latin1_General_BIN2,
    address_line2 NVARCHAR(200) COLLATE Latin1_General_BIN2,
    city NVARCHAR(100) COLLATE Latin1_General_BIN2,
    state_code NVARCHAR(2) COLLATE Latin1_General_BIN2,
    postal_code NVARCHAR(10) COLLATE Latin1_General_BIN2,
    address_key NVARCHAR(300) COLLATE Latin1_General_BIN2,
    problem NVARCHAR(60) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_address_values PRIMARY KEY (raw_value)
);

-- Each distinct pair of name keys that was ever compared. kind is first or last; left_key < right_key.
CREATE TABLE name_comparisons (
    kind NVARCHAR(10) COLLATE Latin1_General_BIN2 NOT NULL,
    left_key NVARCHAR(200) COLLATE Latin1_General_BIN2 NOT NULL,
    right_key NVARCHAR(200) COLLATE Latin1_General_BIN2 NOT NULL,
    parser_version INT NOT NULL,
    agreement NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_name_comparisons PRIMARY KEY (kind, left_key, right_key)
);

-- One row for each source contact that can be used: parsed values and their verdicts.
CREATE TABLE normalized_contacts (
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    contact_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    first_name NVARCHAR(200) COLLATE Latin1_General_BIN2,
    middle_name NVARCHAR(200) COLLATE Latin1_General_BIN2,
    last_name NVARCHAR(200) COLLATE Latin1_General_BIN2,
    name_suffix NVARCHAR(20) COLLATE Latin1_General_BIN2,
    title NVARCHAR(400) COLLATE Latin1_General_BIN2,
    email NVARCHAR(320) COLLATE Latin1_General_BIN2,
    email_status NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    email_problem NVARCHAR(60) COLLATE Latin1_General_BIN2,
    phone NVARCHAR(20) COLLATE Latin1_General_BIN2,
    phone_ext NVARCHAR(20) COLLATE Latin1_General_BIN2,
    phone_problem NVARCHAR(60) COLLATE Latin1_General_BIN2,
    mobile NVARCHAR(20) COLLATE Latin1_General_BIN2,
    address_line1 NVARCHAR(200) COLLATE Latin1_General_BIN2,
    address_line2 NVARCHAR(200) COLLATE Latin1_General_BIN2,
    city NVARCHAR(100) COLLATE Latin1_General_BIN2,
    state_code NVARCHAR(2) COLLATE Latin1_General_BIN2,
    postal_code NVARCHAR(10) COLLATE Latin1_General_BIN2,
    address_problem NVARCHAR(60) COLLATE Latin1_General_BIN2,
    is_active NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL,
    updated_at DATETIME2(6),
    first_key NVARCHAR(200) COLLATE Latin1_General_BIN2,
    middle_key NVARCHAR(200) COLLATE Latin1_General_BIN2,
    last_key NVARCHAR(200) COLLATE Latin1_General_BIN2,
    address_key NVARCHAR(300) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_normalized_contacts PRIMARY KEY (source_system, contact_id)
);

-- One row for each employer group: its address and phone as the dictionaries have them.
CREATE TABLE normalized_groups (
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_name NVARCHAR(400) COLLATE Latin1_General_BIN2 NOT NULL,
    phone NVARCHAR(20) COLLATE Latin1_General_BIN2,
    phone_ext NVARCHAR(20) COLLATE Latin1_General_BIN2,
    phone_problem NVARCHAR(60) COLLATE Latin1_General_BIN2,
    address_line1 NVARCHAR(200) COLLATE Latin1_General_BIN2,
    address_line2 NVARCHAR(200) COLLATE Latin1_General_BIN2,
    city NVARCHAR(100) COLLATE Latin1_General_BIN2,
    state_code NVARCHAR(2) COLLATE Latin1_General_BIN2,
    postal_code NVARCHAR(10) COLLATE Latin1_General_BIN2,
    address_problem NVARCHAR(60) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_normalized_groups PRIMARY KEY (source_system, group_id)
);

CREATE TABLE quarantined_contacts (
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    contact_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    reason NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    detail NVARCHAR(400) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_quarantined_contacts PRIMARY KEY (source_system, contact_id)
);

-- What matching knows of each normalized contact. contact_number is dense and holds for one run only, as
-- do first_number and last_number, which stand for the keys; one number for one text, be it a first or a last name.
CREATE TABLE contact_evidence (
    contact_number BIGINT NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    contact_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    first_key NVARCHAR(200) COLLATE Latin1_General_BIN2 NOT NULL,
    middle_key NVARCHAR(200) COLLATE Latin1_General_BIN2 NOT NULL,
    last_key NVARCHAR(200) COLLATE Latin1_General_BIN2 NOT NULL,
    suffix_key NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    personal_email NVARCHAR(320) COLLATE Latin1_General_BIN2,
    email_domain NVARCHAR(255) COLLATE Latin1_General_BIN2,
    work_domain NVARCHAR(255) COLLATE Latin1_General_BIN2,
    address_key NVARCHAR(300) COLLATE Latin1_General_BIN2,
    area_code NVARCHAR(5) COLLATE Latin1_General_BIN2,
    name_count BIGINT NOT NULL,
    first_number BIGINT NOT NULL,
    last_number BIGINT NOT NULL,
    start_number BIGINT NOT NULL,
    title_number BIGINT,
    CONSTRAINT pk_contact_evidence PRIMARY KEY (contact_number)
);

-- The phone numbers of each contact; is_direct tells a person's number from an office line.
CREATE TABLE contact_numbers (
    contact_number BIGINT NOT NULL,
    phone NVARCHAR(40) COLLATE Latin1_General_BIN2 NOT NULL,
    is_direct NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_contact_numbers PRIMARY KEY (contact_number, phone)
);

-- Where each contact works. kind is employer, address or domain; contact_count: how many contacts say so.
CREATE TABLE contact_places (
    contact_number BIGINT NOT NULL,
    place_number BIGINT NOT NULL,
    kind NVARCHAR(10) COLLATE Latin1_General_BIN2 NOT NULL,
    contact_count BIGINT NOT NULL,
    CONSTRAINT pk_contact_places PRIMARY KEY (contact_number, place_number)
);

-- What each contact shares with others that is worth comparing them for.
CREATE TABLE contact_blocks (
    contact_number BIGINT NOT NULL,
    kind NVARCHAR(30) COLLATE Latin1_General_BIN2 NOT NULL,
    first_part BIGINT NOT NULL,
    second_part BIGINT NOT NULL,
    CONSTRAINT pk_contact_blocks PRIMARY KEY (contact_number, kind, first_part, second_part)
);

-- Each pair of contacts that shares something worth a look.
CREATE TABLE candidate_pairs (
    left_number BIGINT NOT NULL,
    right_number BIGINT NOT NULL,
    CONSTRAINT pk_candidate_pairs PRIMARY KEY (left_number, right_number)
);

-- Each candidate pair whose first names may be one person's: how names, titles and mailboxes agree.
CREATE TABLE pair_names (
    left_number BIGINT NOT NULL,
    right_number BIGINT NOT NULL,
    name_count BIGINT NOT NULL,
    first_names NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    middle_names NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    last_names NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    titles NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    areas NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    initial_number BIGINT NOT NULL,
    full_first_number BIGINT NOT NULL,
    are_names_full NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL,
    same_suffix NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL,
    same_system NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL,
    same_email INT NOT NULL,
    other_email NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_pair_names PRIMARY KEY (left_number, right_number)
);

-- Each candidate pair that may be one person: how its values agree.
CREATE TABLE judged_pairs (
    left_number BIGINT NOT NULL,
    right_number BIGINT NOT NULL,
    name_count BIGINT NOT NULL,
    first_names NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    middle_names NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    last_names NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    titles NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    areas NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    initial_number BIGINT NOT NULL,
    full_first_number BIGINT NOT NULL,
    are_names_full NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL,
    same_suffix NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL,
    same_system NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL,
    same_email INT NOT NULL,
    other_email NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL,
    same_direct_phone INT NOT NULL,
    same_phone INT NOT NULL,
    place_contacts BIGINT,
    is_rare_there NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_judged_pairs PRIMARY KEY (left_number, right_number)
);

-- Each pair of contacts that a rule holds to be one person. The lowest tier is the strongest.
CREATE TABLE contact_links (
    left_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    left_contact_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    right_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    right_contact_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    left_number BIGINT NOT NULL,
    right_number BIGINT NOT NULL,
    tier INT NOT NULL,
    rule_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    reason NVARCHAR(400) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_contact_links PRIMARY KEY (left_system, left_contact_id, right_system, right_contact_id)
);

-- Links that were not joined because somebody decided that the two are never one person.
CREATE TABLE refused_links (
    left_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    left_contact_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    right_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    right_contact_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    rule_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    reason NVARCHAR(400) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_refused_links PRIMARY KEY (left_system, left_contact_id, right_system, right_contact_id)
);

-- What the fixed model says of the pairs that a rule links, and of those that are likely enough for people to look at.
-- weight: log2 of the odds; evidence: its parts.
CREATE TABLE pair_scores (
    left_number BIGINT NOT NULL,
    right_number BIGINT NOT NULL,
    weight FLOAT NOT NULL,
    evidence NVARCHAR(400) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_pair_scores PRIMARY KEY (left_number, right_number)
);

-- The review queue: pairs that may be one person, for people to decide. weight: log2 of the odds; evidence: its parts.
CREATE TABLE review_pairs (
    left_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    left_contact_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    right_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    right_contact_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    weight FLOAT NOT NULL,
    reason NVARCHAR(400) COLLATE Latin1_General_BIN2 NOT NULL,
    evidence NVARCHAR(400) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_review_pairs PRIMARY KEY (left_system, left_contact_id, right_system, right_contact_id)
);

-- Which person each contact is, and why. rule is the rule or decision that linked it; score the model's weight.
CREATE TABLE contact_persons (
    system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    contact_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    person_id NVARCHAR(36) COLLATE Latin1_General_BIN2 NOT NULL,
    rule_name NVARCHAR(60) COLLATE Latin1_General_BIN2,
    score FLOAT,
    reason NVARCHAR(400) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_contact_persons PRIMARY KEY (system, contact_id)
);

-- Every person_id ever given, for ever. alias_of names the person that an id was merged into.
CREATE TABLE person_ids (
    person_id NVARCHAR(36) COLLATE Latin1_General_BIN2 NOT NULL,
    sequence_number BIGINT NOT NULL,
    alias_of NVARCHAR(36) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_person_ids PRIMARY KEY (person_id)
);

-- What the last run did to ids that were given before it: alias_of is the person that one was merged into, or null for
-- one that lives again.
CREATE TABLE person_id_changes (
    person_id NVARCHAR(36) COLLATE Latin1_General_BIN2 NOT NULL,
    alias_of NVARCHAR(36) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_person_id_changes PRIMARY KEY (person_id)
);

-- The last contacts of each id that lives no more, so that a split or a returning contact revives it.
CREATE TABLE former_contact_persons (
    person_id NVARCHAR(36) COLLATE Latin1_General_BIN2 NOT NULL,
    system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    contact_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_former_contact_persons PRIMARY KEY (person_id, system, contact_id)
);

-- Survivorship rank of each source system, as configured; the lower wins.
CREATE TABLE system_priorities (
    system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    priority INT NOT NULL,
    CONSTRAINT pk_system_priorities PRIMARY KEY (system)
);

-- Which contact each attribute of a golden record comes from.
CREATE TABLE golden_values (
    person_id NVARCHAR(36) COLLATE Latin1_General_BIN2 NOT NULL,
    attribute NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    contact_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_golden_values PRIMARY KEY (person_id, attribute)
);

-- The golden record of each living person.
CREATE TABLE persons (
    person_id NVARCHAR(36) COLLATE Latin1_General_BIN2 NOT NULL,
    first_name NVARCHAR(200) COLLATE Latin1_General_BIN2,
    middle_name NVARCHAR(200) COLLATE Latin1_General_BIN2,
    last_name NVARCHAR(200) COLLATE Latin1_General_BIN2 NOT NULL,
    name_suffix NVARCHAR(20) COLLATE Latin1_General_BIN2,
    title NVARCHAR(400) COLLATE Latin1_General_BIN2,
    email NVARCHAR(320) COLLATE Latin1_General_BIN2,
    email_status NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    phone NVARCHAR(20) COLLATE Latin1_General_BIN2,
    phone_ext NVARCHAR(20) COLLATE Latin1_General_BIN2,
    mobile NVARCHAR(20) COLLATE Latin1_General_BIN2,
    address_line1 NVARCHAR(200) COLLATE Latin1_General_BIN2,
    address_line2 NVARCHAR(200) COLLATE Latin1_General_BIN2,
    city NVARCHAR(100) COLLATE Latin1_General_BIN2,
    state_code NVARCHAR(2) COLLATE Latin1_General_BIN2,
    postal_code NVARCHAR(10) COLLATE Latin1_General_BIN2,
    is_active NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL,
    contact_count INT NOT NULL,
    CONSTRAINT pk_persons PRIMARY KEY (person_id)
);

-- A person's roles at employer groups: one row for each person, group and role. is_primary marks the one row
-- (at most) whose group is the person's primary account.
CREATE TABLE person_roles (
    person_id NVARCHAR(36) COLLATE Latin1_General_BIN2 NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    role_code NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    is_primary NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL,
    effective_date DATE,
    termination_date DATE,
    CONSTRAINT pk_person_roles PRIMARY KEY (person_id, source_system, group_id, role_code)
);
