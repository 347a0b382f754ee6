"""The upload of the mart to Salesforce: specification, snapshot, plan, apply."""
