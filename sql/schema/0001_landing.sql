-- What landed: the loads that were applied and the tables that the source and downstream systems deliver.
-- Every text is binary-collated, so that A1 and a1 stay two in a database of any collation. Flags are 'Y' or 'N', as in
-- the landing contract.

CREATE TABLE loads (
    system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    load_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    role NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    kind NVARCHAR(10) COLLATE Latin1_General_BIN2 NOT NULL,
    as_of DATE NOT NULL,
    cutoff_at DATETIME2(6),
    revision INT NOT NULL,
    content_hash NVARCHAR(64) COLLATE Latin1_General_BIN2 NOT NULL,
    applied_at DATETIME2(6) NOT NULL,
    CONSTRAINT pk_loads PRIMARY KEY (system, load_id)
);

-- What each load brought. expected_rows: what the mart must hold for the system once the load is applied, counted
-- from the load's keys and not from its result: a full load's rows, or what was there, less the delta's keys, plus its
-- upserts.
CREATE TABLE load_tables (
    system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    load_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    table_name NVARCHAR(40) COLLATE Latin1_General_BIN2 NOT NULL,
    row_count BIGINT NOT NULL,
    expected_rows BIGINT NOT NULL,
    CONSTRAINT pk_load_tables PRIMARY KEY (system, load_id, table_name)
);

CREATE TABLE source_members (
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    member_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    subscriber_id NVARCHAR(100) COLLATE Latin1_General_BIN2,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    org_unit_id NVARCHAR(100) COLLATE Latin1_General_BIN2,
    state_code NVARCHAR(2) COLLATE Latin1_General_BIN2 NOT NULL,
    plan_code NVARCHAR(100) COLLATE Latin1_General_BIN2,
    effective_date DATE NOT NULL,
    termination_date DATE,
    changed_at DATETIME2(6),
    CONSTRAINT pk_source_members PRIMARY KEY (source_system, member_id, effective_date)
);

-- No key: a downstream system may repeat a member, and that is a finding.
CREATE TABLE downstream_members (
    downstream_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    member_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    subscriber_id NVARCHAR(100) COLLATE Latin1_General_BIN2,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    org_unit_id NVARCHAR(100) COLLATE Latin1_General_BIN2,
    state_code NVARCHAR(2) COLLATE Latin1_General_BIN2 NOT NULL,
    plan_code NVARCHAR(100) COLLATE Latin1_General_BIN2,
    effective_date DATE NOT NULL,
    termination_date DATE,
    changed_at DATETIME2(6)
);

CREATE TABLE employer_groups (
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_name NVARCHAR(400) COLLATE Latin1_General_BIN2 NOT NULL,
    org_unit_id NVARCHAR(100) COLLATE Latin1_General_BIN2,
    ihm_indicator NVARCHAR(1) COLLATE Latin1_General_BIN2,
    address_line1 NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    address_line2 NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    city NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    state_code NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    postal_code NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    phone NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    updated_at DATETIME2(6),
    CONSTRAINT pk_employer_groups PRIMARY KEY (source_system, group_id)
);

CREATE TABLE org_units (
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    org_unit_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    parent_org_unit_id NVARCHAR(100) COLLATE Latin1_General_BIN2,
    org_unit_name NVARCHAR(400) COLLATE Latin1_General_BIN2 NOT NULL,
    tax_id NVARCHAR(100) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_org_units PRIMARY KEY (source_system, org_unit_id)
);

CREATE TABLE source_contacts (
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    contact_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    full_name NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    first_name NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    last_name NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    title NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    email NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    phone NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    phone_ext NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    mobile NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    address_line1 NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    address_line2 NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    city NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    state_code NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    postal_code NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    updated_at DATETIME2(6),
    is_active NVARCHAR(1) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_source_contacts PRIMARY KEY (source_system, contact_id)
);

CREATE TABLE source_contact_roles (
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    contact_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    role_code NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    is_primary NVARCHAR(1) COLLATE Latin1_General_BIN2,
    effective_date DATE,
    termination_date DATE,
    CONSTRAINT pk_source_contact_roles PRIMARY KEY (source_system, contact_id, group_id, role_code)
);

-- The keys of the delta that is being applied; empty outside the transaction that applies it.
CREATE TABLE delta_keys (
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2,
    member_id NVARCHAR(100) COLLATE Latin1_General_BIN2,
    effective_date DATE,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2,
    org_unit_id NVARCHAR(100) COLLATE Latin1_General_BIN2,
    contact_id NVARCHAR(100) COLLATE Latin1_General_BIN2,
    role_code NVARCHAR(100) COLLATE Latin1_General_BIN2
);
