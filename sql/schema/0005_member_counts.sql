-- Downstream systems that deliver counts in place of members.

CREATE TABLE downstream_counts (
    downstream_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    state_code NVARCHAR(2) COLLATE Latin1_General_BIN2 NOT NULL,
    member_count BIGINT NOT NULL,
    CONSTRAINT pk_downstream_counts PRIMARY KEY (downstream_system, source_system, group_id, state_code)
);

-- Both sides of one comparison with such a system; they become its segments.
CREATE TABLE counted_segments (
    side NVARCHAR(10) COLLATE Latin1_General_BIN2 NOT NULL,
    source_system NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    group_id NVARCHAR(100) COLLATE Latin1_General_BIN2 NOT NULL,
    state_code NVARCHAR(2) COLLATE Latin1_General_BIN2 NOT NULL,
    row_count BIGINT NOT NULL,
    CONSTRAINT pk_counted_segments PRIMARY KEY (side, source_system, group_id, state_code)
);
