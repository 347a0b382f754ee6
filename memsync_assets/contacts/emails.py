"""One raw email text -> an address and its status. No DNS, no knowledge of other contacts."""

from __future__ import annotations

import re
from dataclasses import dataclass

from disposable_email_domains import blocklist
from email_validator import EmailNotValidError, validate_email

from memsync_assets.contacts.text import CAP, clean, cut

VERSION = 2

_PLAIN = re.compile(r"([a-z0-9]+(?:[._+-][a-z0-9]+)*)@((?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,})", re.IGNORECASE)
_WORD_BREAKS = re.compile(r"[._+\-]+|\d+")
# RFC 2606 and RFC 6761: names that are nobody's.
_RESERVED_DOMAINS = {"example.com", "example.net", "example.org"}
_RESERVED_TLDS = {"test", "example", "invalid", "localhost", "local", "arpa", "onion"}
_PLACEHOLDER_WORDS = {
    "none", "noemail", "nomail", "na", "nil", "null", "test", "tester", "testing", "unknown", "nobody", "noone",
    "blank", "dummy", "fake", "xxx", "xx", "asdf", "tbd", "notprovided", "notavailable", "donotuse", "sample",
    "placeholder", "missing", "empty", "invalid", "example",
}  # fmt: skip
_ROLE_WORDS = {
    "accounting", "accounts", "accountspayable", "accountsreceivable", "admin", "administration", "administrator",
    "advisor", "ap", "ar", "benefit", "benefits", "billing", "bookkeeper", "bookkeeping", "broker", "brokers",
    "business", "careers", "claims", "clerk", "compliance", "contact", "contactus", "customer", "customerservice",
    "department", "dept", "desk", "eligibility", "email", "employee", "employees", "enroll", "enrollment",
    "enrollments", "executive", "facilities", "feedback", "finance", "frontdesk", "general", "group", "health",
    "hello", "help", "helpdesk", "hr", "hrbenefits", "hrd", "hrdept", "hris", "hrteam", "human", "humanresource",
    "humanresources", "info", "information", "inquiries", "insurance", "invoice", "invoices", "it", "jobs",
    "legal", "mail", "mailbox", "main", "management", "manager", "marketing", "member", "members", "membership",
    "no-reply", "noreply", "donotreply", "office", "officemanager", "operations", "ops", "orders", "payable",
    "payables", "payments", "payroll", "people", "peopleops", "personnel", "plan", "postmaster", "privacy",
    "procurement", "purchasing", "receivable", "reception", "receptionist", "records", "recruiting",
    "resource", "resources", "risk", "root", "safety", "sales", "secretary", "security", "service", "services",
    "shared", "staff", "support", "talent", "team", "treasurer", "webmaster", "welcome", "wellness", "office365",
}  # fmt: skip
_PUBLIC_DOMAINS = {
    "aim.com", "aol.com", "att.net", "bellsouth.net", "charter.net", "comcast.net", "cox.net", "earthlink.net",
    "fastmail.com", "frontier.com", "gmail.com", "gmx.com", "googlemail.com", "hotmail.com", "hushmail.com",
    "icloud.com", "juno.com", "live.com", "mac.com", "mail.com", "me.com", "msn.com", "optonline.net",
    "outlook.com", "pm.me", "proton.me", "protonmail.com", "roadrunner.com", "rocketmail.com", "sbcglobal.net",
    "verizon.net", "windstream.net", "yahoo.com", "ymail.com", "zoho.com",
}  # fmt: skip
_MISSPELT_DOMAINS = {
    "gmial.com", "gmal.com", "gamil.com", "gmai.com", "gmail.co", "gmaill.com", "gnail.com", "gmali.com",
    "yaho.com", "yahooo.com", "yhaoo.com", "yahoo.co", "hotmial.com", "hotmal.com", "hotmai.com", "homail.com",
    "hotmail.co", "outlok.com", "outloo.com", "outlook.co", "iclod.com", "icoud.com", "comcast.com.net",
    "aol.co", "verison.net", "sbcgloball.net",
}  # fmt: skip
_MISSPELT_TLDS = {"con", "cmo", "ocm", "comm", "coom", "cpm", "vom", "xom", "nte", "ner", "nett", "ogr", "orgg"}


@dataclass(frozen=True)
class Email:
    """What one raw text says.

    Attributes:
        email: the address in lower case; None when there is none to be read.
        email_status: valid, invalid, placeholder or role.
        problem: why it is not valid, in a word.
    """

    email: str | None
    local_part: str | None
    domain: str | None
    is_public_domain: str | None
    email_status: str
    problem: str | None


def parse_email(raw: str) -> Email:
    """Read one raw text. Never raises on text, however hostile."""
    if len(raw) >= CAP:
        return _invalid("too_long")
    text = clean(raw).lower().removeprefix("mailto:").strip("<> ")
    if plain := _PLAIN.fullmatch(text):
        return _judge(plain[1], plain[2])
    if not text:
        return _invalid("empty")
    if "@" not in text:
        return Email(None, None, None, None, *_without_at(text))
    if not text.isascii():
        return _invalid("not_ascii")
    try:
        checked = validate_email(text, check_deliverability=False, strict=True, allow_smtputf8=False)
    except EmailNotValidError:
        several = text.count("@") > 1
        return _invalid("several_addresses" if several else "syntax")
    return _judge(checked.local_part, checked.ascii_domain)


def _invalid(problem: str) -> Email:
    return Email(None, None, None, None, "invalid", problem)


def _without_at(text: str) -> tuple[str, str]:
    if "".join(_WORD_BREAKS.split(text)).replace("/", "").replace(" ", "") in _PLACEHOLDER_WORDS:
        return "placeholder", "placeholder_text"
    return "invalid", "syntax"


def _judge(local: str, domain: str) -> Email:
    def email(status: str, problem: str | None) -> Email:
        public = "Y" if domain in _PUBLIC_DOMAINS else "N"
        return Email(f"{local}@{domain}", local, domain, public, status, problem)

    *labels, tld = domain.split(".")
    words = [word for word in _WORD_BREAKS.split(local) if word]
    if len(local) > 64 or len(local) + len(domain) + 1 > 254 or any(len(x) > 63 for x in (*labels, tld)):
        # It stays visible; its parts have no room in their columns.
        return Email(cut(f"{local}@{domain}", 320), None, None, None, "invalid", "too_long")
    if domain in _RESERVED_DOMAINS or tld in _RESERVED_TLDS:
        return email("placeholder", "reserved_domain")
    if not words or "".join(words) in _PLACEHOLDER_WORDS or words[0] in {"none", "noemail", "test"}:
        return email("placeholder", "placeholder_mailbox")
    if labels[-1] in _PLACEHOLDER_WORDS:
        return email("placeholder", "placeholder_domain")
    if len(tld) < 2 or (not tld.isalpha() and not tld.startswith("xn--")):
        return email("invalid", "unknown_top_level_domain")
    if domain in _MISSPELT_DOMAINS or tld in _MISSPELT_TLDS:
        return email("invalid", "misspelt_domain")
    if domain in blocklist:
        return email("invalid", "disposable_domain")
    if "".join(words) in _ROLE_WORDS or all(word in _ROLE_WORDS for word in words):
        return email("role", "role_mailbox")
    return email("valid", None)
