-- Contacts: the dictionaries of parsed values, legal entities, normalized contacts, persons.

CREATE TABLE legal_entities (
    legal_entity_id NVARCHAR(220) COLLATE Latin1_General_BIN2 NOT NULL,
    legal_entity_name NVARCHAR(400) NOT NULL,
    tax_id NVARCHAR(100) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_legal_entities PRIMARY KEY (legal_entity_id)
);

-- One row for each employer group. problem is null, or says why the roll-up found no legal entity.
CREATE TABLE group_legal_entities (
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    legal_entity_id NVARCHAR(220) COLLATE Latin1_General_BIN2,
    problem NVARCHAR(40),
    CONSTRAINT pk_group_legal_entities PRIMARY KEY (source_system, group_id)
);

-- One row for each source contact that can be used: parsed values and their verdicts.
CREATE TABLE normalized_contacts (
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    contact_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    first_name NVARCHAR(200),
    middle_name NVARCHAR(200),
    last_name NVARCHAR(200),
    name_suffix NVARCHAR(20),
    title NVARCHAR(400),
    email NVARCHAR(320),
    email_status NVARCHAR(20) NOT NULL,
    phone NVARCHAR(20),
    phone_ext NVARCHAR(20),
    mobile NVARCHAR(20),
    address_line1 NVARCHAR(200),
    address_line2 NVARCHAR(200),
    city NVARCHAR(100),
    state_code NVARCHAR(2),
    postal_code NVARCHAR(10),
    is_active NVARCHAR(1) NOT NULL,
    updated_at DATETIME2(6),
    CONSTRAINT pk_normalized_contacts PRIMARY KEY (source_system, contact_id)
);

CREATE TABLE quarantined_contacts (
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    contact_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    reason NVARCHAR(60) NOT NULL,
    detail NVARCHAR(400),
    CONSTRAINT pk_quarantined_contacts PRIMARY KEY (source_system, contact_id)
);

-- Which person each contact is, and why. rule is the rule or decision that linked it; score the model's weight.
CREATE TABLE contact_persons (
    system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    contact_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    person_id NVARCHAR(36) COLLATE Latin1_General_BIN2 NOT NULL,
    rule_name NVARCHAR(60),
    score FLOAT,
    reason NVARCHAR(400) NOT NULL,
    CONSTRAINT pk_contact_persons PRIMARY KEY (system, contact_id)
);

-- The golden record of each living person.
CREATE TABLE persons (
    person_id NVARCHAR(36) COLLATE Latin1_General_BIN2 NOT NULL,
    first_name NVARCHAR(200),
    middle_name NVARCHAR(200),
    last_name NVARCHAR(200) NOT NULL,
    name_suffix NVARCHAR(20),
    title NVARCHAR(400),
    email NVARCHAR(320),
    email_status NVARCHAR(20) NOT NULL,
    phone NVARCHAR(20),
    phone_ext NVARCHAR(20),
    mobile NVARCHAR(20),
    address_line1 NVARCHAR(200),
    address_line2 NVARCHAR(200),
    city NVARCHAR(100),
    state_code NVARCHAR(2),
    postal_code NVARCHAR(10),
    is_active NVARCHAR(1) NOT NULL,
    contact_count INT NOT NULL,
    CONSTRAINT pk_persons PRIMARY KEY (person_id)
);

-- Every person_id ever given, for ever. alias_of names the person that an id was merged into.
CREATE TABLE person_ids (
    person_id NVARCHAR(36) COLLATE Latin1_General_BIN2 NOT NULL,
    sequence_number BIGINT NOT NULL,
    alias_of NVARCHAR(36) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_person_ids PRIMARY KEY (person_id)
);

-- A person's roles at employer groups: one row for each person, group and role. is_primary marks the one row
-- (at most) whose group is the person's primary account.
CREATE TABLE person_roles (
    person_id NVARCHAR(36) COLLATE Latin1_General_BIN2 NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    role_code NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    is_primary NVARCHAR(1) NOT NULL,
    effective_date DATE,
    termination_date DATE,
    CONSTRAINT pk_person_roles PRIMARY KEY (person_id, source_system, group_id, role_code)
);
