-- Parity: counts, findings and the ledger of every reconciliation.

-- What the configuration says of each reconciliation; written anew by each comparison.
CREATE TABLE reconciliation_levels (
    reconciliation NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    level NVARCHAR(40) COLLATE Latin1_General_BIN2 NOT NULL,
    by_group NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL,
    by_state NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL,
    by_plan NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL,
    tolerated_members BIGINT NOT NULL,
    tolerated_pct DOUBLE PRECISION NOT NULL,
    CONSTRAINT pk_reconciliation_levels PRIMARY KEY (reconciliation, level)
);

CREATE TABLE reconciliation_sources (
    reconciliation NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_reconciliation_sources PRIMARY KEY (reconciliation, source_system)
);

CREATE TABLE reconciliation_groups (
    reconciliation NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_reconciliation_groups PRIMARY KEY (reconciliation, source_system, group_id)
);

CREATE TABLE reconciliation_owners (
    reconciliation NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    kind NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    owner NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_reconciliation_owners PRIMARY KEY (reconciliation, kind)
);

-- The employer groups that each reconciliation covers on an as-of date.
CREATE TABLE reconciliation_scope (
    reconciliation NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    as_of DATE NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_reconciliation_scope PRIMARY KEY (reconciliation, as_of, source_system, group_id)
);

-- The active rows in scope that are compared with one downstream system; side is source or downstream.
CREATE TABLE compared_rows (
    side NVARCHAR(10) COLLATE Latin1_General_BIN2 NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    member_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    state_code NVARCHAR(2) COLLATE Latin1_General_BIN2 NOT NULL,
    plan_code NVARCHAR(100) COLLATE Latin1_General_BIN2,
    effective_date DATE NOT NULL,
    termination_date DATE
);

-- The subscribers of both sides of one comparison that counts them; member_id holds the subscriber. They become
-- compared_rows.
CREATE TABLE compared_subscribers (
    side NVARCHAR(10) COLLATE Latin1_General_BIN2 NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    member_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    state_code NVARCHAR(2) COLLATE Latin1_General_BIN2 NOT NULL,
    plan_code NVARCHAR(100) COLLATE Latin1_General_BIN2,
    effective_date DATE NOT NULL,
    termination_date DATE
);

-- What is wrong with each member of one comparison; a member may have a kind and be a duplicate besides.
CREATE TABLE member_findings (
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    member_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    kind NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    in_flight NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_member_findings PRIMARY KEY (source_system, member_id, kind)
);

-- Where the members of findings are: what the findings alone say of every cell.
CREATE TABLE discrepancy_cells (
    reconciliation NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    as_of DATE NOT NULL,
    downstream_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    member_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    state_code NVARCHAR(2) COLLATE Latin1_General_BIN2 NOT NULL,
    plan_code NVARCHAR(100) COLLATE Latin1_General_BIN2,
    in_source INT NOT NULL,
    in_downstream INT NOT NULL,
    in_flight NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL
);

-- Rows of each segment on both sides of one comparison, whether they were looked at one by one or not.
CREATE TABLE segments (
    side NVARCHAR(10) COLLATE Latin1_General_BIN2 NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    state_code NVARCHAR(2) COLLATE Latin1_General_BIN2 NOT NULL,
    plan_code NVARCHAR(100) COLLATE Latin1_General_BIN2,
    row_count BIGINT NOT NULL
);

-- Members counted by cell on both sides of one comparison.
CREATE TABLE cell_counts (
    level NVARCHAR(40) COLLATE Latin1_General_BIN2 NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2,
    state_code NVARCHAR(2) COLLATE Latin1_General_BIN2,
    plan_code NVARCHAR(100) COLLATE Latin1_General_BIN2,
    source_count BIGINT NOT NULL,
    downstream_count BIGINT NOT NULL
);

-- variance = downstream - source. in_flight and findings count members with findings in the cell, on either side.
CREATE TABLE membership_counts (
    reconciliation NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    as_of DATE NOT NULL,
    downstream_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    level NVARCHAR(40) COLLATE Latin1_General_BIN2 NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2,
    state_code NVARCHAR(2) COLLATE Latin1_General_BIN2,
    plan_code NVARCHAR(100) COLLATE Latin1_General_BIN2,
    source_count BIGINT NOT NULL,
    downstream_count BIGINT NOT NULL,
    variance BIGINT NOT NULL,
    variance_pct DOUBLE PRECISION,
    in_flight BIGINT NOT NULL,
    in_flight_variance BIGINT NOT NULL,
    findings BIGINT NOT NULL,
    unexplained BIGINT NOT NULL,
    status NVARCHAR(40) COLLATE Latin1_General_BIN2 NOT NULL
);

-- One row for each member and kind. Members' data: read it in the mart and the reports, never in logs.
CREATE TABLE discrepancies (
    reconciliation NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    as_of DATE NOT NULL,
    downstream_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    member_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    kind NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    source_group_id NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    downstream_group_id NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    source_state_code NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    downstream_state_code NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    in_flight NVARCHAR(1) COLLATE Latin1_General_BIN2 NOT NULL
);

-- The comparison that each ledger was last brought up to.
CREATE TABLE ledger_positions (
    reconciliation NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    downstream_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    as_of DATE NOT NULL,
    CONSTRAINT pk_ledger_positions PRIMARY KEY (reconciliation, downstream_system)
);

-- One row for each discrepancy over its life. opened_on is the first opening; due_on belongs to the last one.
CREATE TABLE discrepancy_ledger (
    reconciliation NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    downstream_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    member_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    kind NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    source_group_id NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    downstream_group_id NVARCHAR(MAX) COLLATE Latin1_General_BIN2,
    opened_on DATE NOT NULL,
    reopened_on DATE,
    reopened_count INT NOT NULL,
    due_on DATE NOT NULL,
    last_seen_on DATE NOT NULL,
    closed_on DATE,
    closed_because NVARCHAR(40) COLLATE Latin1_General_BIN2,
    owner NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    status NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    CONSTRAINT pk_discrepancy_ledger PRIMARY KEY (
        reconciliation, downstream_system, source_system, member_id, kind
    )
);

-- What is odd about a load although all systems may agree: groups and feeds, no members. system: the source or
-- downstream system whose counts are odd. score: times the bound of its detector.
CREATE TABLE membership_drift (
    reconciliation NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    as_of DATE NOT NULL,
    system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    kind NVARCHAR(20) COLLATE Latin1_General_BIN2 NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2,
    members_before BIGINT,
    members_now BIGINT,
    score DOUBLE PRECISION
);
