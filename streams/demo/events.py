"""Made-up events in the field's common spec, the same for the same seed."""

import datetime
import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Event = dict[str, Any]

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)

#: How often each type comes, of 100 events.
MIX = {"track": 60, "page": 15, "identify": 11, "screen": 7, "group": 5, "alias": 2}

PEOPLE = 400
NAMES = ("Ada Lovelace", "José Álvarez", "Zoë Müller", "Nguyễn An", "王小明", "Sinéad O'Connor", "Otto 🦦")
COMPANIES = ("Initech", "Blåbær AS", "Müller & Söhne", "Café del Río", "東京商事")
PLANS = ("free", "starter", "pro", "enterprise")
PRODUCTS = (("P-100", "Kettle", 39.9), ("P-205", "Teapot", 24.5), ("P-310", "Cup & Saucer", 12.0))
PAGES = ("/", "/pricing", "/docs/quickstart", "/blog/kafka-in-anger", "/checkout")
SCREENS = ("Home", "Search", "Cart", "Profile")
LOCALES = (("en-US", "America/New_York"), ("de-DE", "Europe/Berlin"), ("pt-BR", "America/Sao_Paulo"))
WEB = {"name": "analytics.js", "version": "2.1.0"}
MOBILE = {"name": "analytics-ios", "version": "4.1.8"}


def events(count: int, seed: int = 0, start: datetime.datetime = START) -> Iterator[Event]:
    """``count`` events, 20 to 200 ms apart from ``start``; a smaller count gives the same first ones."""
    chance = random.Random(seed)  # noqa: S311
    now = start
    for _ in range(count):
        now += datetime.timedelta(milliseconds=chance.randint(20, 200))
        kind = chance.choices(list(MIX), list(MIX.values()))[0]
        event = _envelope(kind, now, chance)
        yield event | MAKERS[kind](event, chance)


def _envelope(kind: str, now: datetime.datetime, chance: random.Random) -> Event:
    """What every event has: its id, its time, who it is about, and where it was seen."""
    person = chance.randrange(PEOPLE)
    locale, timezone = chance.choice(LOCALES)
    known = kind != "page" or chance.random() < 0.5
    who = {"userId": f"u-{person:04}"} if known else {}
    return {
        "type": kind,
        "messageId": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "anonymousId": str(uuid.uuid5(uuid.NAMESPACE_OID, f"device of {person}")),
        **who,
        "context": {
            "ip": f"203.0.113.{person % 254 + 1}",  # from the block kept for documentation
            "library": MOBILE if kind == "screen" else WEB,
            "locale": locale,
            "timezone": timezone,
        },
    }


def _track(_event: Event, chance: random.Random) -> Event:
    name = chance.choice(("Product Viewed", "Product Added", "Order Completed", "Signed Up", "Article Read"))
    return {"event": name, "properties": PROPERTIES[name](chance)}


def _identify(event: Event, chance: random.Random) -> Event:
    name = chance.choice(NAMES)
    traits = {"name": name, "email": f"{event['userId']}@example.com", "plan": chance.choice(PLANS)}
    return {"traits": traits | {"logins": chance.randrange(500)}}


def _page(_event: Event, chance: random.Random) -> Event:
    path = chance.choice(PAGES)
    properties = {"path": path, "url": f"https://shop.example.com{path}", "title": f"Shop {path}"}
    if chance.random() < 0.3:
        properties["referrer"] = "https://search.example.org/?q=teapot&lang=日本語"
    return {"name": path.strip("/") or "home", "properties": properties}


def _screen(_event: Event, chance: random.Random) -> Event:
    return {"name": chance.choice(SCREENS), "properties": {"width": 390, "height": 844}}


def _group(_event: Event, chance: random.Random) -> Event:
    company = chance.choice(COMPANIES)
    traits = {"name": company, "employees": chance.randrange(1, 5_000), "plan": chance.choice(PLANS)}
    return {"groupId": f"g-{COMPANIES.index(company)}", "traits": traits}


def _alias(event: Event, _chance: random.Random) -> Event:
    return {"previousId": event["anonymousId"]}


def _line(chance: random.Random) -> Event:
    sku, name, price = chance.choice(PRODUCTS)
    return {"product_id": sku, "name": name, "price": price, "quantity": chance.randint(1, 4)}


def _order(chance: random.Random) -> Event:
    lines = [_line(chance) for _ in range(chance.randint(1, 3))]
    revenue = round(sum(line["price"] * line["quantity"] for line in lines), 2)
    order = f"o-{chance.randrange(10**6):06}"
    return {"order_id": order, "revenue": revenue, "currency": "EUR", "coupon": None, "products": lines}


def _sign_up(chance: random.Random) -> Event:
    return {"method": chance.choice(("email", "google", "saml")), "plan": chance.choice(PLANS)}


def _reading(chance: random.Random) -> Event:
    return {"title": "Kafka in Anger", "seconds": chance.randrange(5, 600), "finished": chance.random() < 0.4}


Maker = Callable[[Event, random.Random], Event]

MAKERS: Mapping[str, Maker] = {
    "track": _track,
    "identify": _identify,
    "page": _page,
    "screen": _screen,
    "group": _group,
    "alias": _alias,
}

PROPERTIES: Mapping[str, Callable[[random.Random], Event]] = {
    "Product Viewed": _line,
    "Product Added": _line,
    "Order Completed": _order,
    "Signed Up": _sign_up,
    "Article Read": _reading,
}
