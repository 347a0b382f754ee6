"""The surprises of facts/matching.md, each a test, and: no text whatever makes a parser raise."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from memsync_assets.contacts import emails, names, phones
from memsync_assets.contacts.addresses import parse_address
from memsync_assets.contacts.emails import parse_email
from memsync_assets.contacts.name_comparison import compare_first, compare_last
from memsync_assets.contacts.names import parse_name
from memsync_assets.contacts.phones import parse_phone
from memsync_assets.contacts.text import CAP, SEPARATOR, clean, letters_key

ANY_TEXT = st.text(max_size=CAP)


@pytest.mark.parametrize(
    ("raw", "email", "status", "problem"),
    [
        ("Mary.Smith@Acme.COM", "mary.smith@acme.com", "valid", None),
        ("  mailto:mary@acme.com ", "mary@acme.com", "valid", None),
        ("o'brien@acme.com", "o'brien@acme.com", "valid", None),
        ("none@none.com", "none@none.com", "placeholder", "placeholder_mailbox"),
        ("x@example.com", "x@example.com", "placeholder", "reserved_domain"),
        ("test@acme.com", "test@acme.com", "placeholder", "placeholder_mailbox"),
        ("N/A", None, "placeholder", "placeholder_text"),
        ("a@b.c", "a@b.c", "invalid", "unknown_top_level_domain"),
        ("john@gmial.con", "john@gmial.con", "invalid", "misspelt_domain"),
        ("john@gmial.com", "john@gmial.com", "invalid", "misspelt_domain"),
        ("x" * 65 + "@acme.com", "x" * 65 + "@acme.com", "invalid", "too_long"),
        ("jоhn@acme.com", None, "invalid", "not_ascii"),  # a Cyrillic о
        ("john@аcme.com", None, "invalid", "not_ascii"),  # a Cyrillic а
        ("a@acme.com; b@acme.com", None, "invalid", "several_addresses"),
        ("mary smith", None, "invalid", "syntax"),
        ("nan", None, "invalid", "syntax"),
        ("3128675309.0", None, "invalid", "syntax"),
        ("mary@", None, "invalid", "syntax"),
        ("hr@acme.com", "hr@acme.com", "role", "role_mailbox"),
        ("HR.Benefits2@acme.com", "hr.benefits2@acme.com", "role", "role_mailbox"),
        ("human-resources@acme.com", "human-resources@acme.com", "role", "role_mailbox"),
        ("hrbenefits@acme.com", "hrbenefits@acme.com", "role", "role_mailbox"),
        ("broker@acme.com", "broker@acme.com", "role", "role_mailbox"),
        ("x" * CAP, None, "invalid", "too_long"),
        ("mary\x00@acme.com", "mary@acme.com", "valid", None),
        ("ｍａｒｙ＠ａｃｍｅ．ｃｏｍ", "mary@acme.com", "valid", None),
    ],
)
def test_emails(raw: str, email: str | None, status: str, problem: str | None) -> None:
    parsed = parse_email(raw)
    assert (parsed.email, parsed.email_status, parsed.problem) == (email, status, problem)


@pytest.mark.parametrize(
    ("raw", "phone", "extension", "problem"),
    [
        ("312-867-5309", "+13128675309", None, None),
        ("(312) 867 5309", "+13128675309", None, None),
        ("1.312.867.5309", "+13128675309", None, None),
        ("3128675309.0", "+13128675309", None, None),
        ("３１２８６７５３０９", "+13128675309", None, None),
        ("312-867-5309 x204", "+13128675309", "204", None),
        ("312-867-5309 ext. 204", "+13128675309", "204", None),
        ("+44 20 7946 0958", "+442079460958", None, None),
        ("312-867-5309 / 312-867-5310", None, None, "several_numbers"),
        ("000-000-0000", None, None, "not_a_number"),
        ("312-999-9999", None, None, "placeholder"),
        ("999-999-9999", None, None, "not_a_number"),
        ("312-555-5555", None, None, "placeholder"),
        ("867-5309", None, None, "not_a_number"),
        ("call reception", None, None, "no_number"),
        ("nan", None, None, "no_number"),
        ("9" * CAP, None, None, "too_long"),
    ],
)
def test_phones(raw: str, phone: str | None, extension: str | None, problem: str | None) -> None:
    parsed = parse_phone(raw)
    assert (parsed.phone, parsed.phone_ext, parsed.problem) == (phone, extension, problem)


@pytest.mark.parametrize(
    ("raw", "parts"),
    [
        ("Mary Smith", ("Mary", None, "Smith", None)),
        ("MARY SMITH", ("Mary", None, "Smith", None)),
        ("SMITH, MARY A", ("Mary", "A", "Smith", None)),
        ("John Q. Public Jr.", ("John", "Q.", "Public", "Jr")),
        ("Dr. Anna Núñez, MD", ("Anna", None, "Núñez", None)),
        ("Ludwig van Beethoven", ("Ludwig", None, "van Beethoven", None)),
        (f"Mary Ann{SEPARATOR}O'BRIEN-SMITH", ("Mary Ann", None, "O'Brien-Smith", None)),
        (f"JAMES T{SEPARATOR}MCDONALD III", ("James", "T", "McDonald", "III")),
        ("Mary\x07 Smith", ("Mary", None, "Smith", None)),
        ("Smith", (None, None, "Smith", None)),
        ("Smith, John Jr", ("John", None, "Smith", "Jr")),
        ("Smith, John A II", ("John", "A", "Smith", "II")),
        ("Smith, J Sr", ("J", None, "Smith", "Sr")),
        ("Smith, Jr., John", ("John", None, "Smith", "Jr")),
        (f"John Jr{SEPARATOR}Smith", ("John", None, "Smith", "Jr")),
        (f"John V{SEPARATOR}Smith", ("John", "V", "Smith", None)),
        ("Smith, John, MD", ("John", None, "Smith", None)),
        (f"John A. Jr.{SEPARATOR}Smith", ("John", "A.", "Smith", "Jr")),
        (f"Jenny{SEPARATOR}Co", ("Jenny", None, "Co", None)),
        (f"T.{SEPARATOR}Bank", ("T.", None, "Bank", None)),
        (f"Or{SEPARATOR}Levy", ("Or", None, "Levy", None)),
    ],
)
def test_names(raw: str, parts: tuple[str | None, ...]) -> None:
    parsed = parse_name(raw)
    assert (parsed.first_name, parsed.middle_name, parsed.last_name, parsed.name_suffix) == parts
    assert parsed.problem is None


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ("Human Resources", "not_a_person"),
        (f"Human{SEPARATOR}Resources", "not_a_person"),
        (f"Insurance{SEPARATOR}Agency", "not_a_person"),
        (f"Acme{SEPARATOR}LLC", "not_a_person"),
        (f"Acme{SEPARATOR}Widgets Co", "not_a_person"),
        (f"John{SEPARATOR}or Mary Smith", "several_persons"),
        ("Tyra Bank", "not_a_person"),
        ("HR Department", "not_a_person"),
        ("Acme Widgets LLC", "not_a_person"),
        ("John and Mary Smith", "several_persons"),
        ("John & Mary Smith", "several_persons"),
        ("Test", "placeholder_name"),
        ("N/A", "placeholder_name"),
        (".", "no_name"),
        ("12345", "no_name"),
        (SEPARATOR, "no_name"),
        ("word " * 60, "too_long"),
    ],
)
def test_what_is_no_persons_name(raw: str, problem: str) -> None:
    assert parse_name(raw).problem == problem


@pytest.mark.parametrize(
    ("raw", "standard", "problem"),
    [
        ("123 North Main Street|Suite 200|Chicago|IL|60601-1234", "123 N MAIN ST|STE 200|IL|60601-1234", None),
        ("123 N. Main St.|Ste. 200|Chicago|il|60601 1234", "123 N MAIN ST|STE 200|IL|60601-1234", None),
        ("12 Elm Street Apt 4||Boston|Massachusetts|2139", "12 ELM ST|APT 4|MA|02139", None),
        ("P.O. Box 123||Chicago|IL|60601", "PO BOX 123||IL|60601", None),
        ("Attn: Benefits, 12 Main Street||Chicago|IL|60601", "12 MAIN ST||IL|60601", None),
        ("One Financial Plaza||Chicago|IL|60601", "ONE FINANCIAL PLAZA||IL|60601", "street_not_understood"),
        ("PSC 3 Box 4120||APO|AE|09021", "PSC 3 BOX 4120||AE|09021", None),
        ("CMR 415 Box 7012||FPO|AP|96349", "CMR 415 BOX 7012||AP|96349", None),
        ("Unit 3050||APO|AA|34035", "UNIT 3050||AA|34035", None),
        ("nan||||", "NAN|||", "street_not_understood"),
        ("RR 2 Box 152||Cairo|IL|62914", "RR 2 BOX 152||IL|62914", None),
        ("12 Main Street||Chicago|Illinios|60601", "12 MAIN ST|||60601", "unknown_state"),
        ("12 Main Street||Chicago|IL|ABC", "12 MAIN ST||IL|", "unknown_postal_code"),
        ("||Chicago|IL|60601", "||IL|60601", "no_street"),
        ("12 Main Street||Chicago|IL|60601.0", "12 MAIN ST||IL|60601", None),
    ],
)
def test_addresses(raw: str, standard: str, problem: str | None) -> None:
    parsed = parse_address(raw.replace("|", SEPARATOR))
    parts = (parsed.address_line1, parsed.address_line2, parsed.state_code, parsed.postal_code)
    assert "|".join(part or "" for part in parts) == standard
    assert parsed.problem == problem


@given(ANY_TEXT)
@settings(max_examples=150, deadline=None)
@example("\x00")
@example("@")
@example("nan")
def test_no_text_makes_a_parser_raise(raw: str) -> None:
    """A value is good, or has its reason; never both, never neither."""
    email, phone, name, place = parse_email(raw), parse_phone(raw), parse_name(raw), parse_address(raw)
    assert (email.problem is None) == (email.email_status == "valid")
    assert (phone.problem is None) == (phone.phone is not None)
    assert (name.problem is None) == bool(name.last_key)
    assert place.problem is not None or place.address_line1


@given(st.integers(200, 999), st.integers(200, 999), st.integers(0, 9999))
@settings(max_examples=300, deadline=None)
def test_the_fast_path_for_phones_agrees_with_phonenumbers(area: int, exchange: int, line: int) -> None:
    raw = f"({area}) {exchange}-{line:04}"
    parsed = parse_phone(raw)
    number = phonenumbers.parse(raw, "US")
    if parsed.problem != "placeholder":
        assert (parsed.phone is not None) == phonenumbers.is_valid_number(number)


@given(st.from_regex(r"[a-z0-9._+-]{1,12}@[a-z0-9.-]{1,14}\.[a-z]{2,4}", fullmatch=True))
@settings(max_examples=300, deadline=None)
def test_the_fast_path_for_emails_accepts_only_what_the_library_accepts(raw: str) -> None:
    if emails._PLAIN.fullmatch(raw) and parse_email(raw).email_status == "valid":
        emails.validate_email(raw, check_deliverability=False)


def test_long_text_is_not_parsed() -> None:
    # nameparser takes seconds for so many words.
    assert parse_name("word " * 100_000).problem == "too_long"


@given(ANY_TEXT)
@settings(max_examples=100, deadline=None)
def test_cleaning_twice_is_cleaning_once(raw: str) -> None:
    assert clean(clean(raw)) == clean(raw)


@pytest.mark.parametrize(
    ("left", "right", "agreement"),
    [
        ("mary", "mary", "same"),
        ("william", "bill", "nickname"),
        ("bob", "robert", "nickname"),
        ("m", "mary", "initial"),
        ("j", "mary", "different"),
        ("catherine", "cathrine", "typo"),
        ("john", "joan", "different"),
        ("maryann", "mary", "prefix"),
        ("mary", "", "missing"),
        ("john", "mary", "different"),
        ("mary", "mayr", "slip"),
        ("rosa", "roosa", "typo"),
        ("omar", "omr", "slip"),
        ("wei", "lei", "different"),
        ("anil", "amil", "different"),
        ("amy", "ay", "different"),
    ],
)
def test_first_names(left: str, right: str, agreement: str) -> None:
    assert compare_first(left, right) == compare_first(right, left) == agreement


@pytest.mark.parametrize(
    ("left", "right", "agreement"),
    [
        ("smith", "smith", "same"),
        ("smith", "smyth", "typo"),
        ("smith", "smithjones", "part"),
        ("smith", "jones", "different"),
        ("lee", "li", "different"),
    ],
)
def test_last_names(left: str, right: str, agreement: str) -> None:
    assert compare_last(left, right) == compare_last(right, left) == agreement


def test_keys_fold_case_accents_and_signs() -> None:
    assert letters_key("O'Brien-Núñez") == "obriennunez"
    assert letters_key("李") == "李"
    assert (names.VERSION, phones.VERSION) >= (1, 1)
