"""From a file or a frame to batches of columns, a bounded number of rows at a time."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shelfwise.domain import InvalidField, InvalidInput
from shelfwise.ingestion._verdicts import DeadLetter, shown

BATCH_ROWS = 65_536  # of a Parquet file or frame: some 10 MB of event lines
BLOCK_BYTES = 1 << 22  # of a text file: some 40,000 event lines
DAMAGE = "\ufffd"  # stands where bytes were no UTF-8
MAX_LINE_BYTES = 1 << 20  # of one JSON line; a longer one is a broken file
SUFFIXES = {".csv": "csv", ".tsv": "tsv", ".txt": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl",
            ".parquet": "parquet", ".pq": "parquet", ".xml": "merchant-xml"}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class RawBatch:
    """Some rows of a source: ``columns`` as the source has them, and where each row stood in it, from 1."""

    columns: dict[str, pa.Array]
    rows: NDArray[np.int64]  # (N,)
    rejected: list[DeadLetter] = field(default_factory=list)  # rows that are not even a row


class Unreadable(InvalidInput):
    """A file that cannot be read as what it is said to be: where, what was found, what was expected."""


def format_of(source: Any, given: str | None, known: Iterable[str]) -> str:
    """The format of a source: as given, else by the file's ending. Raises InvalidField for an unknown one."""
    names = tuple(known)
    if given is not None:
        wanted = given.lower().replace("_", "-")
        if wanted not in names:
            raise InvalidField("format", given, f"one of {', '.join(names)}{_near(wanted, names)}")
        return wanted
    if not isinstance(source, (str, Path)):
        return "frame"
    suffixes = [suffix.lower() for suffix in Path(source).suffixes if suffix.lower() != ".gz"]
    found = SUFFIXES.get(suffixes[-1]) if suffixes else None
    if found is None:
        raise InvalidField(
            "format", Path(source).name, f"a file ending in {', '.join(SUFFIXES)}, or a format"
        )
    return found


def name_of(source: Any, name: str | None = None) -> str:
    """What dead letters call a source: its file name."""
    if name is not None:
        return name
    return Path(source).name if isinstance(source, (str, Path)) else "frame"


def read_columns(source: Any, format: str, name: str) -> Iterator[RawBatch]:
    """Batches of a CSV, TSV or Parquet file, or of anything that speaks the Arrow C stream.

    Raises:
        Unreadable: It is not such a file, or ends in the middle.
    """
    if format == "frame":
        yield from _numbered(_frame_batches(source))
    elif format == "parquet":
        yield from _numbered(_parquet_batches(Path(source)))
    else:
        yield from _delimited(Path(source), name, "\t" if format == "tsv" else None)


def header_of(source: Any, format: str) -> list[str]:
    """The names of the columns of a source that has some; empty for JSON lines and XML."""
    if format == "frame":
        return list(_schema_names(source))
    if format == "parquet":
        return list(_opened_parquet(Path(source)).schema_arrow.names)
    if format in ("csv", "tsv"):
        return _header(Path(source), "\t" if format == "tsv" else None)[0]
    return []


def read_json_lines(path: Path, name: str) -> Iterator[tuple[int, bytes]]:
    """Row number and text of each line of a JSON Lines file that is not blank. Raises Unreadable."""
    with open_bytes(path) as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            if len(line) > MAX_LINE_BYTES:
                raise Unreadable(
                    f"{name}, row {number + 1}: a line has over {MAX_LINE_BYTES} bytes; expected JSON Lines"
                )
            if line.strip():
                number += 1
                yield number, line.strip()


def open_bytes(path: Path) -> BinaryIO:
    """The bytes of a file, unpacked if it ends in ``.gz``. Raises Unreadable, also while it is read."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror or error}; expected a readable file") from error
    return io.BufferedReader(_Unpacked(file, path)) if path.suffix.lower() == ".gz" else file


class _Unpacked(io.RawIOBase):
    """What a gzip file holds."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        super().__init__()
        self._file, self._path = file, path
        self._packed = gzip.GzipFile(fileobj=file)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            return self._packed.readinto(buffer)
        except (OSError, EOFError, zlib.error) as error:
            raise Unreadable(f"{self._path}: {error}; expected a whole gzip file") from error

    def close(self) -> None:
        self._file.close()
        super().close()


def renamed(names: Iterable[str], mapping: Mapping[str, str], known: tuple[str, ...]) -> dict[str, str]:
    """Field name of each column of a source that is used; of ``mapping``, source column -> field.

    Raises:
        InvalidField: The mapping names a column that the source lacks, or a field that does not exist.
    """
    columns = list(names)
    for column, target in mapping.items():
        if column not in columns and not is_constant(column):
            raise InvalidField(
                "map", column, f"a column of the source{_near(column, columns)} ({', '.join(columns)})"
            )
        if target not in known and not target.startswith("attributes."):
            raise InvalidField("map", target, f"a field{_near(target, known)} ({', '.join(known)})")
    taken = set(mapping.values())
    named = {column: column for column in columns if column in known and column not in taken}
    named |= {c: c for c in columns if c.startswith("attributes.") and "attributes." in known}
    return named | {column: target for column, target in mapping.items() if column in columns}


def unused(
    names: Iterable[str], mapping: Mapping[str, str], known: tuple[str, ...], source: str
) -> list[str]:
    """A sentence for each column that no field takes, with the field that was perhaps meant."""
    columns = list(names)
    used = renamed(columns, mapping, known)
    left = [field for field in known if field not in used.values()]
    return [f"{source}, column {column!r}{_near(column, left)}" for column in columns if column not in used]


def is_constant(column: str) -> bool:
    """A mapping from a quoted text, ``'purchase'=event``, gives every row that value."""
    return len(column) >= 2 and column[0] == column[-1] == "'"


def _near(word: str, words: Iterable[str]) -> str:
    near = get_close_matches(word, list(words), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _numbered(batches: Iterable[pa.RecordBatch]) -> Iterator[RawBatch]:
    done = 0
    for batch in batches:
        rows = np.arange(done + 1, done + 1 + batch.num_rows, dtype=np.int64)
        done += batch.num_rows
        yield RawBatch(dict(zip(batch.schema.names, batch.columns, strict=True)), rows)


def _frame_batches(frame: Any) -> Iterator[pa.RecordBatch]:
    table = _reader(frame)
    for batch in table:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            yield batch.slice(start, BATCH_ROWS)


def _reader(frame: Any) -> pa.RecordBatchReader:
    if not hasattr(frame, "__arrow_c_stream__"):
        raise InvalidInput(
            f"a source is a {type(frame).__name__}; expected a file, or a frame with __arrow_c_stream__"
        )
    return pa.RecordBatchReader.from_stream(frame)


def _schema_names(frame: Any) -> list[str]:
    schema = getattr(frame, "schema", None)
    return list(schema.names) if isinstance(schema, pa.Schema) else list(_reader(frame).schema.names)


def _opened_parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise Unreadable(f"{path}: {error}; expected a Parquet file") from error


def _parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    file = _opened_parquet(path)
    try:
        yield from file.iter_batches(batch_size=BATCH_ROWS)
    except (OSError, pa.ArrowInvalid) as error:
        raise Unreadable(f"{path}: {error}; expected a whole Parquet file") from error


def _header(path: Path, delimiter: str | None) -> tuple[list[str], str]:
    """Names of the columns, and what stands between them. Raises Unreadable."""
    with open_bytes(path) as file:
        start = file.read(1 << 16)
    text = start.decode("utf-8-sig", "replace")
    first = text.replace("\r", "\n").split("\n", 1)[0]
    if not first.strip():
        raise Unreadable(f"{path}: the first line is empty; expected the names of the columns")
    chosen = delimiter or max(",;\t|", key=first.count)
    names = [name.strip() for name in next(csv.reader([first], delimiter=chosen))]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or "" in names:
        raise Unreadable(
            f"{path}: the columns {twice or ['']} have no name of their own; expected each name once"
        )
    return names, chosen


def _delimited(path: Path, name: str, delimiter: str | None) -> Iterator[RawBatch]:
    names, chosen = _header(path, delimiter)
    broken: dict[int, pa_csv.InvalidRow] = {}

    def skip(row: pa_csv.InvalidRow) -> str:
        broken[row.number - 1] = row  # rows are counted with the header, without empty lines
        return "skip"

    with open_bytes(path) as file:
        text = _Utf8(file)
        reader = _opened_csv(path, text, names, chosen, skip)
        told, number = 0, 0
        while (batch := _next_batch(reader, path, number)) is not None:
            rows = _numbers(number, batch.num_rows, broken)
            number = int(rows[-1]) if len(rows) else number
            letters = [_ragged(name, row, broken[row]) for row in sorted(broken) if told < row <= number]
            told = number
            for row in [row for row in broken if row <= told]:
                del broken[row]
            yield _without_damage(batch, rows, name, letters, damaged=text.damaged)
        letters = [_ragged(name, row, broken[row]) for row in sorted(broken) if row > told]
        if letters:
            yield RawBatch({}, np.empty(0, np.int64), letters)


class _Utf8(io.RawIOBase):
    """Bytes of a text file, with U+FFFD for what is no UTF-8: one bad name must cost one row, not the file."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._left = memoryview(b"")
        self.damaged = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            chunk = self._file.read(BLOCK_BYTES)
            clean = chunk.isascii() and not self._decoder.getstate()[0] and chunk != b""
            self._left = memoryview(chunk if clean else self._decoded(chunk))
        count = min(len(buffer), len(self._left))
        buffer[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    def _decoded(self, chunk: bytes) -> bytes:
        text = self._decoder.decode(chunk, final=not chunk)
        self.damaged = self.damaged or DAMAGE in text
        return text.encode()


def _opened_csv(
    path: Path, file: io.RawIOBase, names: list[str], delimiter: str, skip: Any
) -> pa_csv.CSVStreamingReader:
    try:
        return pa_csv.open_csv(
            file,
            read_options=pa_csv.ReadOptions(
                use_threads=False, block_size=BLOCK_BYTES, column_names=names, skip_rows=1
            ),
            parse_options=pa_csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip
            ),
            convert_options=pa_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise Unreadable(f"{path}: {error}; expected rows of {len(names)} columns") from error


def _next_batch(reader: pa_csv.CSVStreamingReader, path: Path, done: int) -> pa.RecordBatch | None:
    try:
        return reader.read_next_batch()
    except StopIteration:
        return None
    except (OSError, EOFError, ValueError) as error:  # ArrowInvalid is a ValueError; a torn .gz an EOFError
        raise Unreadable(f"{path}, after row {done}: {error}; expected a whole delimited file") from error


def _numbers(done: int, count: int, broken: Mapping[int, Any]) -> NDArray[np.int64]:
    """The next ``count`` row numbers that no broken row has."""
    if not broken:
        return np.arange(done + 1, done + 1 + count, dtype=np.int64)
    wide = np.arange(done + 1, done + 1 + count + len(broken), dtype=np.int64)
    return wide[~np.isin(wide, np.fromiter(broken, np.int64))][:count]


def _ragged(name: str, number: int, row: pa_csv.InvalidRow) -> DeadLetter:
    rule = f"{row.expected_columns} columns, not {row.actual_columns}"
    return DeadLetter(name, number, "", str(shown(row.text)), rule)


def _without_damage(
    batch: pa.RecordBatch, rows: NDArray[np.int64], name: str, letters: list[DeadLetter], *, damaged: bool
) -> RawBatch:
    """The columns; rows whose bytes are no UTF-8 become dead letters."""
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    if not damaged:
        return RawBatch(columns, rows, letters)
    bad: dict[int, DeadLetter] = {}
    for column, values in columns.items():
        for place in np.flatnonzero(pc.match_substring(values, DAMAGE).to_numpy(zero_copy_only=False)):
            row, value = int(rows[place]), str(shown(values[int(place)].as_py()))
            bad.setdefault(
                int(place), DeadLetter(name, row, column, value, "text in UTF-8; save the file so")
            )
    keep = np.setdiff1d(np.arange(len(rows)), np.fromiter(bad, np.int64, len(bad)))
    kept = {column: values.take(pa.array(keep)) for column, values in columns.items()}
    return RawBatch(kept, rows[keep], letters + [bad[place] for place in sorted(bad)])


def decode_line(line: bytes) -> Any:
    """One JSON line as plain Python values. Raises InvalidField, field ""."""
    try:
        return msgspec.json.decode(line)
    except (ValueError, RecursionError) as error:
        raise InvalidField(
            "", line[:80].decode("utf-8", "backslashreplace"), f"one JSON object a line ({error})"
        ) from None
