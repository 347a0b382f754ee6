-- Parity: counts, findings and the ledger of every reconciliation.

CREATE TABLE membership_counts (
    reconciliation NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    as_of DATE NOT NULL,
    downstream_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    level NVARCHAR(40) NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2,
    state_code NVARCHAR(2) COLLATE Latin1_General_BIN2,
    source_count BIGINT NOT NULL,
    downstream_count BIGINT NOT NULL,
    variance BIGINT NOT NULL,
    variance_pct FLOAT,
    in_flight BIGINT NOT NULL,
    status NVARCHAR(40) NOT NULL
);

-- One row for each member and kind. Members' data: read it in the mart and the reports, never in logs.
CREATE TABLE discrepancies (
    reconciliation NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    as_of DATE NOT NULL,
    downstream_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    member_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    kind NVARCHAR(20) NOT NULL,
    source_group_id NVARCHAR(MAX),
    downstream_group_id NVARCHAR(MAX),
    source_state_code NVARCHAR(MAX),
    downstream_state_code NVARCHAR(MAX),
    in_flight NVARCHAR(1) NOT NULL
);

CREATE TABLE discrepancy_ledger (
    reconciliation NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    downstream_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    member_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    kind NVARCHAR(20) NOT NULL,
    opened_on DATE NOT NULL,
    last_seen_on DATE NOT NULL,
    due_on DATE NOT NULL,
    closed_on DATE,
    reopened_count INT NOT NULL,
    owner NVARCHAR(100) NOT NULL,
    status NVARCHAR(20) NOT NULL,
    CONSTRAINT pk_discrepancy_ledger PRIMARY KEY (
        reconciliation, downstream_system, source_system, member_id, kind
    )
);
