-- Salesforce: what the org is to hold, the plan that was last made, and what became of it.
-- The live values of the org and the values it last agreed on are kept in tables whose columns follow the upload
-- specifications (salesforce_<object>_live, salesforce_<object>_synced): snapshot.py makes them.

-- Upload tables hold text in the form Salesforce gives it: true and false, dates as yyyy-mm-dd.
CREATE TABLE account_upload (
    membership_key NVARCHAR(255) COLLATE Latin1_General_BIN2 NOT NULL,
    account_name NVARCHAR(400) COLLATE Latin1_General_BIN2 NOT NULL,
    parent_key NVARCHAR(255) COLLATE Latin1_General_BIN2,
    street NVARCHAR(500) COLLATE Latin1_General_BIN2,
    city NVARCHAR(100) COLLATE Latin1_General_BIN2,
    state_code NVARCHAR(2) COLLATE Latin1_General_BIN2,
    postal_code NVARCHAR(10) COLLATE Latin1_General_BIN2,
    phone NVARCHAR(60) COLLATE Latin1_General_BIN2,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2,
    group_number NVARCHAR(100) COLLATE Latin1_General_BIN2,
    is_ihm NVARCHAR(5) COLLATE Latin1_General_BIN2 NOT NULL,
    tax_id NVARCHAR(100) COLLATE Latin1_General_BIN2,
    membership_status NVARCHAR(10) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_account_upload PRIMARY KEY (membership_key)
);

CREATE TABLE contact_upload (
    person_id NVARCHAR(36) COLLATE Latin1_General_BIN2 NOT NULL,
    account_key NVARCHAR(255) COLLATE Latin1_General_BIN2,
    first_name NVARCHAR(200) COLLATE Latin1_General_BIN2,
    last_name NVARCHAR(200) COLLATE Latin1_General_BIN2 NOT NULL,
    title NVARCHAR(400) COLLATE Latin1_General_BIN2,
    email NVARCHAR(320) COLLATE Latin1_General_BIN2,
    email_status NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    phone NVARCHAR(20) COLLATE Latin1_General_BIN2,
    phone_extension NVARCHAR(20) COLLATE Latin1_General_BIN2,
    mobile NVARCHAR(20) COLLATE Latin1_General_BIN2,
    street NVARCHAR(500) COLLATE Latin1_General_BIN2,
    city NVARCHAR(100) COLLATE Latin1_General_BIN2,
    state_code NVARCHAR(2) COLLATE Latin1_General_BIN2,
    postal_code NVARCHAR(10) COLLATE Latin1_General_BIN2,
    membership_status NVARCHAR(10) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_contact_upload PRIMARY KEY (person_id)
);

CREATE TABLE account_contact_relation_upload (
    relation_key NVARCHAR(255) COLLATE Latin1_General_BIN2 NOT NULL,
    account_key NVARCHAR(255) COLLATE Latin1_General_BIN2 NOT NULL,
    person_id NVARCHAR(36) COLLATE Latin1_General_BIN2 NOT NULL,
    roles NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    is_active NVARCHAR(5) COLLATE Latin1_General_BIN2 NOT NULL,
    start_date NVARCHAR(10) COLLATE Latin1_General_BIN2,
    end_date NVARCHAR(10) COLLATE Latin1_General_BIN2,
    is_primary NVARCHAR(5) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_account_contact_relation_upload PRIMARY KEY (relation_key)
);

-- The picklist value of each source value, as the upload specifications name them; * stands for all others.
CREATE TABLE picklist_values (
    object_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    field_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    source_value NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    picklist_value NVARCHAR(255) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_picklist_values PRIMARY KEY (object_name, field_name, source_value)
);

-- How far the live values of each object are known. read_up_to: the greatest SystemModstamp that was seen.
CREATE TABLE salesforce_snapshots (
    object_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    organization_id NVARCHAR(18) COLLATE Latin1_General_BIN2 NOT NULL,
    read_up_to DATETIME2(6),
    full_at DATETIME2(6) NOT NULL,
    CONSTRAINT pk_salesforce_snapshots PRIMARY KEY (object_name)
);

-- Which live record each upload row is. is_adopted marks a record that was there without our external id.
CREATE TABLE record_matches (
    object_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    external_id NVARCHAR(255) COLLATE Latin1_General_BIN2 NOT NULL,
    record_id NVARCHAR(18) COLLATE Latin1_General_BIN2 NOT NULL,
    is_adopted NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_record_matches PRIMARY KEY (object_name, external_id)
);

-- Each record that differs from what the org is to hold.
CREATE TABLE changed_records (
    object_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    external_id NVARCHAR(255) COLLATE Latin1_General_BIN2 NOT NULL,
    record_id NVARCHAR(18) COLLATE Latin1_General_BIN2,
    operation NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    reason NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_changed_records PRIMARY KEY (object_name, external_id)
);

-- sync_plan in the making, before its hash is known.
CREATE TABLE planned_changes (
    object_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    external_id NVARCHAR(255) COLLATE Latin1_General_BIN2 NOT NULL,
    record_id NVARCHAR(18) COLLATE Latin1_General_BIN2,
    operation NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    field_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    before_value NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    after_value NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    reason NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_planned_changes PRIMARY KEY (object_name, external_id, field_name)
);

-- One row for each record and field that the plan would change. A delete has one row with no field.
CREATE TABLE sync_plan (
    plan_hash NVARCHAR(64) COLLATE Latin1_General_BIN2 NOT NULL,
    object_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    external_id NVARCHAR(255) COLLATE Latin1_General_BIN2 NOT NULL,
    record_id NVARCHAR(18) COLLATE Latin1_General_BIN2,
    operation NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    field_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    before_value NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    after_value NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    reason NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_sync_plan PRIMARY KEY (object_name, external_id, field_name)
);

-- The one plan that sync_plan holds. state: made, applying, applied. held: why the breaker holds it, or null.
CREATE TABLE sync_plan_state (
    plan_hash NVARCHAR(64) COLLATE Latin1_General_BIN2 NOT NULL,
    organization_id NVARCHAR(18) COLLATE Latin1_General_BIN2,
    made_at DATETIME2(6) NOT NULL,
    state NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    held NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    retries_failed NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_sync_plan_state PRIMARY KEY (plan_hash)
);

-- The journal: a batch is written here before it is sent. state: sent (its outcome is not known yet), done.
CREATE TABLE sync_batches (
    plan_hash NVARCHAR(64) COLLATE Latin1_General_BIN2 NOT NULL,
    batch_number INT NOT NULL,
    object_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    method NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    job_id NVARCHAR(18) COLLATE Latin1_General_BIN2,
    state NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_sync_batches PRIMARY KEY (plan_hash, batch_number)
);

CREATE TABLE sync_batch_records (
    plan_hash NVARCHAR(64) COLLATE Latin1_General_BIN2 NOT NULL,
    batch_number INT NOT NULL,
    object_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    external_id NVARCHAR(255) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_sync_batch_records PRIMARY KEY (plan_hash, batch_number, external_id)
);

-- What became of each record of a plan. status: succeeded, failed, skipped.
CREATE TABLE sync_outcomes (
    plan_hash NVARCHAR(64) COLLATE Latin1_General_BIN2 NOT NULL,
    object_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    external_id NVARCHAR(255) COLLATE Latin1_General_BIN2 NOT NULL,
    status NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    record_id NVARCHAR(18) COLLATE Latin1_General_BIN2,
    error_code NVARCHAR(100) COLLATE Latin1_General_BIN2,
    message NVARCHAR(400) COLLATE Latin1_General_BIN2,
    tries INT NOT NULL,
    finished_at DATETIME2(6) NOT NULL,
    CONSTRAINT pk_sync_outcomes PRIMARY KEY (plan_hash, object_name, external_id)
);

-- Values that Salesforce refused while the rest of their record was written.
CREATE TABLE sync_refused_values (
    plan_hash NVARCHAR(64) COLLATE Latin1_General_BIN2 NOT NULL,
    object_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    external_id NVARCHAR(255) COLLATE Latin1_General_BIN2 NOT NULL,
    field_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    error_code NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    message NVARCHAR(400) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_sync_refused_values PRIMARY KEY (plan_hash, object_name, external_id, field_name)
);

-- Error codes that are worth another try without anybody changing anything, as errors.py names them.
CREATE TABLE passing_codes (
    error_code NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_passing_codes PRIMARY KEY (error_code)
);

-- What failed for good: not planned again until the value to be written is another one, or a person says so.
CREATE TABLE dead_letters (
    object_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    external_id NVARCHAR(255) COLLATE Latin1_General_BIN2 NOT NULL,
    field_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    operation NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    after_value NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    error_code NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    message NVARCHAR(400) COLLATE Latin1_General_BIN2,
    tries INT NOT NULL,
    failed_at DATETIME2(6) NOT NULL,
    CONSTRAINT pk_dead_letters PRIMARY KEY (object_name, external_id, field_name)
);

-- Changes that succeeded and are not what the org was found to hold when it was read back.
CREATE TABLE read_back_differences (
    plan_hash NVARCHAR(64) COLLATE Latin1_General_BIN2 NOT NULL,
    object_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    external_id NVARCHAR(255) COLLATE Latin1_General_BIN2 NOT NULL,
    field_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    sent_value NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    found_value NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_read_back_differences PRIMARY KEY (plan_hash, object_name, external_id, field_name)
);

-- One row for each planned change (the grain of sync_plan) of every plan that was carried out.
CREATE TABLE salesforce_sync_results (
    plan_hash NVARCHAR(64) COLLATE Latin1_General_BIN2 NOT NULL,
    object_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    external_id NVARCHAR(255) COLLATE Latin1_General_BIN2 NOT NULL,
    field_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    operation NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    status NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    record_id NVARCHAR(18) COLLATE Latin1_General_BIN2,
    error_code NVARCHAR(100) COLLATE Latin1_General_BIN2,
    message NVARCHAR(400) COLLATE Latin1_General_BIN2,
    finished_at DATETIME2(6) NOT NULL,
    CONSTRAINT pk_salesforce_sync_results PRIMARY KEY (plan_hash, object_name, external_id, field_name)
);

-- Merges of Contacts that the org holds twice, from their first step on. state: started, merged, failed, undoing,
-- undone. kept_values: everything that an undo needs, as JSON.
CREATE TABLE contact_merges (
    merge_id NVARCHAR(12) COLLATE Latin1_General_BIN2 NOT NULL,
    master_id NVARCHAR(18) COLLATE Latin1_General_BIN2 NOT NULL,
    loser_id NVARCHAR(18) COLLATE Latin1_General_BIN2 NOT NULL,
    rule_name NVARCHAR(60) COLLATE Latin1_General_BIN2 NOT NULL,
    state NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    error_code NVARCHAR(100) COLLATE Latin1_General_BIN2,
    kept_values NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    changed_at DATETIME2(6) NOT NULL,
    CONSTRAINT pk_contact_merges PRIMARY KEY (merge_id)
);
