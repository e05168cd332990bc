"""How things look: titles, prices, and a drawing for a product that has no image. All of it follows from the item."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from shelfwise.domain import InvalidField, exponent

SYMBOLS = {"GBP": "£", "EUR": "€", "USD": "$", "JPY": "¥", "CHF": "CHF ", "PLN": "PLN "}
_LEVELS: Mapping[str, str] = {
    "personal": "without some sources", "session": "from this visit alone", "item_to_item": "what is like your latest",
    "segment_trending": "what sells now in your country", "trending": "what sells now",
    "packed": "the shop's best sellers",
}  # fmt: skip
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_COUNTRIES: Mapping[str, str] = {
    "AE": "United Arab Emirates", "AT": "Austria", "AU": "Australia", "BE": "Belgium", "BH": "Bahrain",
    "BM": "Bermuda", "BR": "Brazil", "CA": "Canada", "CH": "Switzerland", "CY": "Cyprus", "CZ": "Czechia",
    "DE": "Germany", "DK": "Denmark", "EE": "Estonia", "ES": "Spain", "FI": "Finland", "FR": "France",
    "GB": "United Kingdom", "GG": "Guernsey", "GR": "Greece", "HK": "Hong Kong", "HU": "Hungary", "IE": "Ireland",
    "IL": "Israel", "IS": "Iceland", "IT": "Italy", "JE": "Jersey", "JP": "Japan", "KR": "South Korea",
    "LB": "Lebanon", "LT": "Lithuania", "LU": "Luxembourg", "MT": "Malta", "NG": "Nigeria", "NL": "Netherlands",
    "NO": "Norway", "NZ": "New Zealand", "PL": "Poland", "PT": "Portugal", "RO": "Romania", "SA": "Saudi Arabia",
    "SE": "Sweden", "SG": "Singapore", "SK": "Slovakia", "TH": "Thailand", "TR": "Turkey", "UA": "Ukraine",
    "US": "United States", "ZA": "South Africa",
}  # fmt: skip
_SMALL = frozenset("a an and as at but by for from in nor of on or per the to up with".split())
_KEEP = frozenset("LED USB CD DVD TV UK USA BBQ LCD 3D".split())
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?")

# First match wins, so the particular stands before the general: a lunch box is no box, a cake tin no cake.
_ICONS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("paper-bag", ("lunch bag", "charlotte bag", "paper bag")),
    ("handbag", ("storage bag", "jumbo bag", "shopper")),
    ("popcorn", ("popcorn",)),
    ("sandwich", ("lunch box", "snack box", "sandwich")),
    ("thermometer", ("hot water bottle", "thermometer")),
    ("tree-pine", ("christmas", "xmas", "advent", "tree", "reindeer", "santa")),
    ("cupcake", ("cake case", "cupcake", "muffin", "fairy cake")),
    ("cylinder", ("tin", "tins", "jar", "storage", "canister", "drawer")),
    ("alarm-clock", ("clock", "alarm")),
    ("flame", ("t-light", "candle", "candles", "lantern", "incense", "tealight", "votive")),
    ("lamp", ("light", "lights", "lamp", "lampshade", "led")),
    ("party-popper", ("bunting", "party", "garland", "balloon", "balloons", "streamer")),
    ("cake", ("cake", "cakes", "cakestand")),
    ("coffee", ("mug", "mugs", "cup", "cups", "teacup", "tea", "coffee", "teapot", "saucer", "egg")),
    ("image", ("frame", "frames", "photo", "picture", "print", "canvas")),
    ("signpost", ("sign", "chalkboard", "blackboard", "slate", "plaque", "message")),
    ("book-open", ("book", "recipe", "notebook", "diary", "journal", "album")),
    ("playing-cards", ("snap", "game", "games", "cards", "domino", "dominoes", "jigsaw", "puzzle")),
    ("mail", ("card", "letter", "envelope", "postcard", "stationery", "sticker", "stickers")),
    ("scissors", ("paper chain", "craft", "scissors", "decoupage")),
    ("cooking-pot", ("baking", "jelly", "cook", "jam", "pan", "oven")),
    ("utensils", ("kitchen", "cutlery", "spoon", "spoons", "fork", "cookie", "cutter")),
    ("soup", ("bowl", "bowls", "plate", "plates", "dish", "tray", "pot")),
    ("handbag", ("bag", "bags", "shopper", "purse", "tote", "backpack", "case")),
    ("scale", ("scales", "scale", "weights")),
    ("wine", ("wine", "gin", "beer", "cocktail")),
    ("bottle-wine", ("bottle", "bottles", "flask")),
    ("glass-water", ("glass", "glasses", "tumbler", "mirror", "vase")),
    ("sparkles", ("ornament", "decoration", "bauble", "baubles", "hanging decoration")),
    ("bird", ("bird", "birds", "owl", "hen", "chick", "duck", "birdhouse")),
    ("rabbit", ("rabbit", "bunny", "easter")),
    ("dog", ("dog", "scottie", "puppy")),
    ("cat", ("cat", "kitten", "kitty")),
    ("toy-brick", ("toy", "block", "blocks", "spaceboy", "dolly", "doll", "skittles", "train", "soldier")),
    ("house", ("doormat", "door", "home", "house", "wall")),
    ("sprout", ("garden", "gardeners", "plant", "herb", "watering", "seeds", "seed")),
    ("flower-2", ("flower", "flowers", "rose", "roses", "daisy", "poppy", "blossom", "flora", "petal")),
    ("shirt", ("pegs", "peg", "towel", "apron", "clothes", "laundry", "socks", "gloves", "scarf")),
    ("umbrella", ("umbrella", "parasol", "rain")),
    ("armchair", ("cushion", "chair", "stool", "throw", "blanket", "bench")),
    ("gem", ("necklace", "bracelet", "ring", "earrings", "jewellery", "trinket", "bead", "beads", "charm", "brooch")),
    ("pencil", ("pencil", "pencils", "pen", "pens", "chalk", "crayons", "eraser", "ruler")),
    ("spool", ("sewing", "knitting", "button", "buttons", "wool", "fabric")),
    ("ribbon", ("ribbon", "ribbons", "lace", "tape")),
    ("gift", ("gift", "wrap", "present", "box", "boxes")),
    ("magnet", ("magnet", "magnets", "hook", "hooks")),
    ("key", ("key", "keyring", "lock", "padlock")),
    ("bath", ("bath", "soap", "sponge", "towels")),
    ("music", ("music", "radio", "bell", "bells", "whistle")),
    ("calendar", ("calendar", "planner")),
    ("star", ("star", "stars", "moon")),
    ("heart", ("heart", "hearts", "love")),
    ("sandwich", ("napkin", "napkins", "picnic", "food")),
)  # fmt: skip
_SPARE_ICONS = ("gift", "shopping-bag", "sparkles", "package", "star", "heart")

TINTS = (
    "rose",
    "coral",
    "amber",
    "lemon",
    "olive",
    "green",
    "teal",
    "sky",
    "indigo",
    "plum",
    "sand",
    "stone",
)
_COLOURS: dict[str, str] = {
    "red": "coral", "retrospot": "coral", "ruby": "coral", "poppy": "coral", "pink": "rose", "rose": "rose",
    "orange": "amber", "copper": "amber", "gold": "lemon", "yellow": "lemon", "lemon": "lemon", "mustard": "lemon",
    "olive": "olive", "khaki": "olive", "green": "green", "mint": "green", "woodland": "green", "teal": "teal",
    "turquoise": "teal", "aqua": "teal", "blue": "sky", "sky": "sky", "denim": "indigo", "navy": "indigo",
    "spaceboy": "indigo", "purple": "plum", "lilac": "plum", "lavender": "plum", "ivory": "sand", "cream": "sand",
    "wicker": "sand", "wood": "sand", "wooden": "sand", "brown": "sand", "chocolate": "sand", "white": "stone",
    "black": "stone", "silver": "stone", "grey": "stone", "gray": "stone", "slate": "stone", "zinc": "stone",
}  # fmt: skip
_PATTERNS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("dots", ("retrospot", "polkadot", "spot", "spotty", "dotty", "spots")),
    ("stripes", ("stripe", "stripes", "striped", "circus")),
    ("checks", ("gingham", "check", "tartan", "patchwork")),
)


def pretty_title(title: str) -> str:
    """A title as a shop would set it: feeds in capitals are set in words, all others stay."""
    clean = " ".join(title.split()).replace(" ,", ",").rstrip(".,- ")
    if not clean.isupper():
        return clean
    words = clean.split(" ")
    return " ".join(_word(word, first=at == 0) for at, word in enumerate(words))


def money(amount: float | None, currency: str | None) -> str | None:
    """An amount as people read it: £2.95, €1,200.00, ¥300."""
    if amount is None:
        return None
    try:
        digits = exponent(currency or "")
    except InvalidField:
        return f"{amount:,.2f}"
    symbol = SYMBOLS.get(currency or "", f"{currency} ")
    return f"{symbol}{amount:,.{digits}f}"


def country_name(code: str | None) -> str | None:
    """A country as people call it; its code where no name is known."""
    return _COUNTRIES.get(code or "", code)


def day(instant: str | None) -> str:
    """The day of an instant: 25 Nov 2011; '' for none."""
    if not instant:
        return ""
    return f"{int(instant[8:10])} {_MONTHS[int(instant[5:7]) - 1]} {instant[:4]}"


def told_simpler(degraded: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """That an answer is simpler than asked for, with what it is instead in words."""
    return {**degraded, "text": _LEVELS.get(degraded["level"], degraded["level"])} if degraded else None


def drawing_of(item: Mapping[str, Any]) -> dict[str, str]:
    """The drawing of a product without image: a pictogram by its words, a tint by its colour, perhaps a pattern."""
    title = str(item.get("title") or "")
    words = frozenset(_WORD.findall(title.lower()))
    chance = blake2b(str(item.get("item_id")).encode(), digest_size=2).digest()
    icon = (
        _icon(title.lower(), words) or _icon_of_category(item) or _SPARE_ICONS[chance[0] % len(_SPARE_ICONS)]
    )
    tint = next((_COLOURS[word] for word in _WORD.findall(title.lower()) if word in _COLOURS), None)
    pattern = next((name for name, known in _PATTERNS if words & frozenset(known)), "plain")
    return {"icon": icon, "tint": tint or TINTS[chance[1] % len(TINTS)], "pattern": pattern}


def safe_image(item: Mapping[str, Any]) -> str | None:
    """The image's address, if it is one that a page may load."""
    address = str(item.get("image") or "")
    return address if address.startswith("https://") else None


def _icon_of_category(item: Mapping[str, Any]) -> str | None:
    path = " ".join(map(str, item.get("category") or ())).lower()
    return _icon(path, frozenset(_WORD.findall(path)))


def _icon(text: str, words: frozenset[str]) -> str | None:
    for icon, known in _ICONS:
        if any(word in text if (" " in word or "-" in word) else word in words for word in known):
            return icon
    return None


def _word(word: str, *, first: bool) -> str:
    if word in _KEEP:
        return word
    lower = word.lower()
    if lower in _SMALL and not first:
        return lower
    return _WORD.sub(lambda found: found.group()[:1].upper() + found.group()[1:].lower(), word)
