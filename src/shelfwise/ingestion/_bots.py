"""Robots by the user agent they give. Their events are kept, marked, and stay out of training and trending."""

from __future__ import annotations

import re

# What crawlers, link previews, monitors and headless browsers call themselves. HTTP libraries (curl,
# python-requests, okhttp) are not robots here: shops send their own events with them.
ROBOTS = (
    "bot", "crawl", "spider", "slurp", "archiver", "facebookexternalhit", "meta-externalagent", "bingpreview",
    "google-read-aloud", "mediapartners-google", "feedfetcher", "lighthouse", "pingdom", "uptime", "statuscake",
    "headlesschrome", "phantomjs", "electron/headless", "prerender", "screaming frog", "ia_archiver", "scrapy",
    "gptbot", "chatgpt-user", "claude-web", "bytespider", "yandeximages", "embedly", "whatsapp", "skypeuripreview",
)  # fmt: skip
# CUBOT sells phones; "bot" within its name is no robot.
_ROBOT = re.compile("|".join(map(re.escape, ROBOTS)), re.IGNORECASE)
_PHONE = re.compile(r"\bcubot\b", re.IGNORECASE)


def is_bot(user_agent: str | None) -> bool:
    """True if the user agent names itself as a robot. A browser that gives none is taken for a person."""
    if not user_agent:
        return False
    return _ROBOT.search(_PHONE.sub("", user_agent)) is not None
