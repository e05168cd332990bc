"""Rules that make sales out of invoice lines, each named and counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from shelfwise.domain import InvalidInput

# In order; a line is counted under the first rule that concerns it.
RULES: Mapping[str, tuple[str, str]] = {
    "sold_twice": (
        "both sheets hold 2010-12-01 to 09; the second one counts",
        "sheet = 1 AND invoice_date >= TIMESTAMP '2010-12-01'",
    ),
    "no_product": (
        "postage, fees, samples, vouchers, tests: codes that do not begin with five digits",
        "NOT regexp_matches(stock_code, '^\\d{5}')",
    ),
    "stock_correction": (
        "a negative quantity that is no return: counted, damaged, lost",
        "quantity <= 0 AND NOT starts_with(invoice_no, 'C')",
    ),
    "no_price": ("nothing was paid: gifts, write-offs, broken stock", "unit_price <= 0"),
    "odd_return": ("a return of a positive quantity", "quantity >= 0 AND starts_with(invoice_no, 'C')"),
}

COLUMNS = (
    "invoice_no", "stock_code", "description", "quantity", "invoice_date", "unit_price", "customer_id", "country",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Lines that are sales or returns, and how many each rule left out."""

    lines: (
        pa.Table
    )  # item_id, title, invoice, customer, country, quantity, price_minor, at_us, refund; by at_us
    n_lines: int  # before any rule
    left_out: Mapping[str, int]
    rounded: int  # prices with more than two decimals, rounded half up to a penny
    anonymous: int  # kept lines without a customer: each invoice is a visitor of its own

    def report(self) -> dict[str, int]:
        """Counts by name, for people."""
        return {
            "lines": self.n_lines,
            **{f"left_out_{name}": count for name, count in self.left_out.items()},
            "kept": self.lines.num_rows,
            "rounded": self.rounded,
            "anonymous": self.anonymous,
        }


def shipped_files() -> list[Path]:
    """The data that comes with the package: all 1,067,371 lines."""
    return [Path(__file__).with_name("data") / "lines.parquet"]


def clean(files: Sequence[Path] | None = None, *, until_us: int | None = None) -> Cleaned:
    """Read the public layout and keep what is a sale or a return of a product.

    Args:
        files: Parquet files of the published columns; the shipped ones if not given. Without a column ``sheet``
            a file is taken to hold no overlap.
        until_us: Only what happened strictly before this instant.

    Raises:
        InvalidInput: A file lacks a column.
    """
    engine = duckdb.connect()
    engine.execute("SET threads = 2; SET TimeZone = 'UTC'")
    _read(engine, files or shipped_files())
    cases = " ".join(f"WHEN {condition} THEN '{name}'" for name, (_, condition) in RULES.items())
    before = "" if until_us is None else f"WHERE epoch_us({_UTC}) < {until_us}"
    told = f"CREATE TEMP TABLE told AS SELECT *, CASE {cases} END AS rule FROM raw {before}"  # noqa: S608
    engine.execute(told)
    counts: dict[str | None, int] = dict(
        engine.execute("SELECT rule, COUNT(*) FROM told GROUP BY rule").fetchall()
    )
    lines = engine.sql(_KEPT).to_arrow_table()
    rounded, anonymous = engine.execute(_COUNTED).fetchone() or (0, 0)
    return Cleaned(
        lines=lines,
        n_lines=sum(counts.values()),
        left_out={name: counts.get(name, 0) for name in RULES},
        rounded=rounded,
        anonymous=anonymous,
    )


def _read(engine: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> None:
    names = [str(file) for file in files]
    found = [row[0] for row in engine.execute("DESCRIBE SELECT * FROM read_parquet(?)", [names]).fetchall()]
    absent = [name for name in COLUMNS if name not in found]
    if absent:
        raise InvalidInput(f"{', '.join(names)} lacks columns {absent}; expected those of Online Retail II")
    sheet = "sheet" if "sheet" in found else "2 AS sheet"
    engine.execute(
        f"CREATE TEMP TABLE raw AS SELECT {', '.join(COLUMNS)}, {sheet}, file_row_number AS place "  # noqa: S608
        "FROM read_parquet(?, file_row_number = true)",
        [names],
    )


# The published times are local British ones, to the minute.
_UTC = "timezone('Europe/London', invoice_date)"

_KEPT = f"""
SELECT UPPER(TRIM(stock_code)) AS item_id, TRIM(description) AS title, invoice_no AS invoice,
  CAST(customer_id AS VARCHAR) AS customer, country, CAST(ABS(quantity) AS INTEGER) AS quantity,
  CAST(GREATEST(ROUND(unit_price * 100), 1) AS BIGINT) AS price_minor,
  epoch_us({_UTC}) AS at_us, starts_with(invoice_no, 'C') AS refund
FROM told WHERE rule IS NULL
ORDER BY at_us, invoice, sheet, place
"""  # noqa: S608

_COUNTED = """
SELECT COUNT(*) FILTER (ABS(unit_price * 100 - ROUND(unit_price * 100)) > 1e-6),
  COUNT(*) FILTER (customer_id IS NULL)
FROM told WHERE rule IS NULL
"""
