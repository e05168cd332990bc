"""Rules that make sales out of invoice lines, each named and counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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

# Our name of each column, what the two publications and their copies call it (without spaces and capitals), and what
# it holds: copies keep customers as decimals.
COLUMNS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "invoice_no": (("invoiceno", "invoice"), "VARCHAR"),
    "stock_code": (("stockcode",), "VARCHAR"),
    "description": (("description",), "VARCHAR"),
    "quantity": (("quantity",), "INTEGER"),
    "invoice_date": (("invoicedate",), "TIMESTAMP"),
    "unit_price": (("unitprice", "price"), "DOUBLE"),
    "customer_id": (("customerid",), "INTEGER"),
    "country": (("country",), "VARCHAR"),
}


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
        files: Parquet or CSV files of the published columns; the shipped ones if not given. Two files without a
            column ``sheet`` are the two sheets; one alone is taken to hold no overlap.
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


def is_online_retail(names: Iterable[str]) -> bool:
    """True if these are the columns of Online Retail or Online Retail II, under any published name."""
    found = {_key(name) for name in names}
    return all(found & set(aliases) for aliases, _ in COLUMNS.values())


def _read(engine: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> None:
    """The table ``raw``. Several files without a column ``sheet`` are the sheets in their order."""
    first = 2 if len(files) == 1 else 1  # one file alone overlaps with nothing
    parts = [_select(engine, file, sheet) for sheet, file in enumerate(files, first)]
    names = [str(file) for file in files]
    try:
        engine.execute(f"CREATE TEMP TABLE raw AS {' UNION ALL '.join(parts)}", names)
    except duckdb.Error as error:
        raise InvalidInput(f"{', '.join(names)}: {error}; expected rows of Online Retail II") from error


def _select(engine: duckdb.DuckDBPyConnection, file: Path, sheet: int) -> str:
    """SQL that reads one file, its path as parameter, as our columns. Raises InvalidInput."""
    parquet = file.suffix.lower() in (".parquet", ".pq")
    table = "read_parquet(?)" if parquet else "read_csv(?, all_varchar = true)"
    try:
        rows = engine.execute(f"DESCRIBE SELECT * FROM {table}", [str(file)]).fetchall()  # noqa: S608
    except duckdb.Error as error:
        raise InvalidInput(f"{file}: {error}; expected a file of Online Retail II") from error
    found = [str(row[0]) for row in rows]
    named = {_key(name): name for name in found}
    absent = [name for name, (aliases, _) in COLUMNS.items() if not set(aliases) & set(named)]
    if absent:
        raise InvalidInput(f"{file} lacks columns {absent}; expected those of Online Retail II")
    which = "sheet" if "sheet" in named else str(sheet)
    columns = ", ".join(
        f"{_cast(named[next(alias for alias in aliases if alias in named)], kind)} AS {ours}"
        for ours, (aliases, kind) in COLUMNS.items()
    )
    return f"SELECT {columns}, {which} AS sheet, row_number() OVER () AS place FROM {table}"  # noqa: S608


def _cast(name: str, kind: str) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    if kind == "INTEGER":  # 17850.0 in some copies
        return f"CAST(CAST(NULLIF(CAST({quoted} AS VARCHAR), '') AS DOUBLE) AS INTEGER)"
    return f"CAST({quoted} AS {kind})"


def _key(name: str) -> str:
    return name.lower().replace(" ", "").replace("_", "")


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
