"""A local Salesforce org over HTTP: the demo's default target and the tests' real peer.

It imports nothing of the rest of memsync, and nothing but the demo and the tests imports it.
"""
