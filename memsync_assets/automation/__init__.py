"""What starts runs and tells people: the Dagster instance, sensors, schedules, alerts.

No rule about members, contacts, Salesforce or parity belongs here.
"""
