"""Online Retail II (CC BY 4.0): a real shop's two years, shipped with the package, cleaned as a shop would."""

from shelfwise.ingestion.online_retail._clean import RULES, Cleaned, clean, is_online_retail, shipped_files
from shelfwise.ingestion.online_retail._events import retail_events
from shelfwise.ingestion.online_retail._items import retail_items

__all__ = ["RULES", "Cleaned", "clean", "is_online_retail", "retail_events", "retail_items", "shipped_files"]
