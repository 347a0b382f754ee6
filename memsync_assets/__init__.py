"""memsync: membership data kept true in Salesforce and in every downstream system."""

__version__ = "0.1.0"
