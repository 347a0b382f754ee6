"""The data mart: one interface, the engines behind it, and the reader of `sql/`.

What belongs here: everything that knows which database is behind the mart. What does not: any rule about
members, contacts, Salesforce or parity.
"""
