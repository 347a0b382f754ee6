-- Salesforce: the plan that was last made and what became of it.

-- One row for each record and field that the plan would change. A delete has one row with no field.
CREATE TABLE sync_plan (
    plan_hash NVARCHAR(64) NOT NULL,
    object_name NVARCHAR(80) COLLATE Latin1_General_BIN2 NOT NULL,
    external_id NVARCHAR(255) COLLATE Latin1_General_BIN2 NOT NULL,
    record_id NVARCHAR(18) COLLATE Latin1_General_BIN2,
    operation NVARCHAR(20) NOT NULL,
    field_name NVARCHAR(120) COLLATE Latin1_General_BIN2 NOT NULL,
    before_value NVARCHAR(MAX),
    after_value NVARCHAR(MAX),
    reason NVARCHAR(100) NOT NULL,
    CONSTRAINT pk_sync_plan PRIMARY KEY (object_name, external_id, field_name)
);

-- One row for each planned change (the grain of sync_plan) of every plan that was carried out.
CREATE TABLE salesforce_sync_results (
    plan_hash NVARCHAR(64) NOT NULL,
    object_name NVARCHAR(80) COLLATE Latin1_General_BIN2 NOT NULL,
    external_id NVARCHAR(255) COLLATE Latin1_General_BIN2 NOT NULL,
    field_name NVARCHAR(120) COLLATE Latin1_General_BIN2 NOT NULL,
    operation NVARCHAR(20) NOT NULL,
    status NVARCHAR(20) NOT NULL,
    record_id NVARCHAR(18) COLLATE Latin1_General_BIN2,
    error_code NVARCHAR(100),
    message NVARCHAR(400),
    finished_at DATETIME2(6) NOT NULL,
    CONSTRAINT pk_salesforce_sync_results PRIMARY KEY (plan_hash, object_name, external_id, field_name)
);
