"""Contacts: value normalization, legal entities, identity, survivorship.

What belongs here: which human stands behind which rows of the source systems, and what is true of them. What
does not: what Salesforce makes of it, and anything about members.
"""
