"""Landing: what a load is, and how it is taken in whole or refused whole.

What belongs here: the contract of the tables, the manifest, finding loads, validating their files, applying them
to the mart. What does not: what the data means to contacts, Salesforce or parity.
"""
