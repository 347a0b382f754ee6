-- What Salesforce says of addresses that bounced, by Contact: kept apart from the snapshot, since the Contact has no
-- address any more once a bounced one is no longer sent.
CREATE TABLE bounced_emails (
    record_id NVARCHAR(18) COLLATE Latin1_General_BIN2 NOT NULL,
    -- In lower case.
    email NVARCHAR(255) COLLATE Latin1_General_BIN2 NOT NULL,
    reason NVARCHAR(255) COLLATE Latin1_General_BIN2,
    bounced_at NVARCHAR(40) COLLATE Latin1_General_BIN2,
    CONSTRAINT pk_bounced_emails PRIMARY KEY (record_id)
);
