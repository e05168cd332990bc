"""The pages people look at. First page: the demo shop, server-rendered, each page with a JSON twin."""

from shelfwise.console._api import Api
from shelfwise.console._console import ONLINE_RETAIL, Console, Credit, Page, make_console
from shelfwise.console._shopper import cookies_of

__all__ = ["Api", "Console", "Credit", "ONLINE_RETAIL", "Page", "cookies_of", "make_console"]
