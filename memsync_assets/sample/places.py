"""Invented names of people, companies and places, and valid-looking addresses and telephone numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from pydantic import BaseModel, ConfigDict


class Vocabulary(BaseModel):
    """What names.json holds. cities: by state, each with a postal code and an area code."""

    model_config = ConfigDict(frozen=True)

    first_names: dict[str, tuple[str, ...]]
    last_names: tuple[str, ...]
    surname_starts: tuple[str, ...]
    surname_ends: tuple[str, ...]
    alike_first_names: tuple[tuple[str, str], ...]
    company_first: tuple[str, ...]
    company_second: tuple[str, ...]
    company_ends: tuple[str, ...]
    divisions: tuple[str, ...]
    streets: tuple[str, ...]
    street_types: tuple[tuple[str, str], ...]
    titles: tuple[str, ...]
    cities: dict[str, tuple[tuple[str, str, str], ...]]


@cache
def vocabulary() -> Vocabulary:
    """The sample's words."""
    return Vocabulary.model_validate(json.loads(Path(__file__).with_name("names.json").read_text(encoding="utf-8")))


#: In a fixed order: a state is known by its place in it.
STATES = ("CA", "TX", "IL", "AZ", "NV", "OK", "IN", "WI", "MO", "WA", "MA", "NJ")


@dataclass(frozen=True)
class Address:
    """A postal address."""

    line1: str
    line2: str | None
    city: str
    state_code: str
    postal_code: str


def an_address(random: Random, state: str) -> Address:
    """An address in this state."""
    words = vocabulary()
    city, postal_code, _ = random.choice(words.cities[state])
    street = f"{random.randint(100, 9899)} {random.choice(words.streets)} {random.choice(words.street_types)[0]}"
    line2 = f"Ste {random.randint(1, 40) * 10}" if random.random() < 0.4 else None
    return Address(street, line2, city, state, postal_code)


def a_phone(random: Random, state: str) -> str:
    """Ten digits that the numbering plan allows in this state; not of the range that is kept for fiction."""
    area = random.choice(vocabulary().cities[state])[2]
    exchange = random.randint(222, 899)
    while exchange % 100 == 11 or exchange == 555:
        exchange = random.randint(222, 899)
    return f"{area}{exchange:03d}{random.randint(0, 9999):04d}"


def phone_text(random: Random, digits: str) -> str:
    """The same number as one of the many ways in which people write it."""
    area, exchange, line = digits[:3], digits[3:6], digits[6:]
    forms = ("({}) {}-{}", "{}-{}-{}", "{}.{}.{}", "{}{}{}", "+1 {} {} {}", "1-{}-{}-{}")
    return random.choice(forms).format(area, exchange, line)
