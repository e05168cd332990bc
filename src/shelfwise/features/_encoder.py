"""Texts as vectors by a static model that the user brings: the mean of a vector a word or piece of one. No torch.

Reads, from a folder, whichever is there:

* ``model.safetensors`` with a tensor ``embeddings`` and ``tokenizer.json`` (WordPiece or Unigram), with ``weights`` and
  ``mapping`` a token if the model has them: the layout of model2vec;
* ``embeddings.npy`` ``(V, D)`` and ``vocab.txt``, a token a line, pieces that go on begin with ``##``;
* one ``*.txt`` or ``*.vec`` of lines ``word 0.1 0.2 ...``: GloVe and word2vec. Words it does not know are left out.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shelfwise.domain import InvalidInput

_WORD = re.compile(r"\w+|[^\w\s]")
_LONGEST = 100  # characters of a word that is looked at in pieces
_KINDS = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "I64": np.int64, "I32": np.int32}
_BEGIN = "\u2581"  # SentencePiece's mark of a word's first piece
Split = Callable[[str], list[int]]  # a text in tokens


@dataclass(frozen=True, slots=True, eq=False)
class TextEncoder:
    """A static model. Make it with ``TextEncoder.open``."""

    vectors: NDArray[np.float32]  # (V, D) of a token each, its weight multiplied in
    split: Split

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return self.vectors.shape[1]

    @classmethod
    def open(cls, folder: Path) -> TextEncoder:
        """Read the model in a folder. Raises InvalidInput for one that is none, or of another layout."""
        if not folder.is_dir():
            raise InvalidInput(f"text encoder {folder} is no folder; expected one with a static model")
        try:
            vectors, split = _read(folder)
        except (OSError, ValueError, KeyError, IndexError, TypeError) as trouble:
            raise InvalidInput(f"text encoder {folder} cannot be read: {trouble}") from None
        if vectors.ndim != 2 or not vectors.size or not np.isfinite(vectors).all():
            raise InvalidInput(
                f"text encoder {folder} holds {vectors.shape}; expected finite numbers, a row a token"
            )
        return cls(np.ascontiguousarray(vectors, np.float32), split)

    def encode(self, texts: Iterable[str]) -> NDArray[np.float32]:
        """``(N, D)``, each of length 1: the mean over its tokens; zeros for a text of which no token is known."""
        rows = [self._mean(text) for text in texts]
        return unit(np.array(rows, np.float32).reshape(-1, self.width))

    def _mean(self, text: str) -> NDArray[np.float32]:
        tokens = [token for token in self.split(text) if token < len(self.vectors)]
        return self.vectors[tokens].mean(axis=0) if tokens else np.zeros(self.width, np.float32)


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row divided by its length; a row of zeros stays."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(length > 0, length, 1.0)).astype(np.float32)


# ---------------------------------------------------------------- layouts


def _read(folder: Path) -> tuple[NDArray[Any], Split]:
    if (folder / "model.safetensors").exists():
        return _model2vec(folder)
    if (folder / "embeddings.npy").exists():
        tokens = (folder / "vocab.txt").read_text().split("\n")
        vocabulary = {token: at for at, token in enumerate(tokens) if token}
        return np.load(folder / "embeddings.npy", allow_pickle=False), _pieces(vocabulary, "##", lower=True)
    files = sorted(file for file in folder.iterdir() if file.suffix in (".txt", ".vec"))
    if len(files) == 1:
        return _words(files[0])
    raise ValueError("expected model.safetensors, embeddings.npy, or one .txt or .vec of word vectors")


def _model2vec(folder: Path) -> tuple[NDArray[Any], Split]:
    tensors = safetensors(folder / "model.safetensors")
    if "embeddings" not in tensors:
        raise ValueError(f"model.safetensors holds {', '.join(tensors)}; expected embeddings")
    vectors = tensors["embeddings"].astype(np.float32)
    if "mapping" in tensors:  # several tokens may share a row
        vectors = vectors[tensors["mapping"]]
    if "weights" in tensors:
        vectors = vectors * tensors["weights"].astype(np.float32)[:, None]
    return vectors, _tokenizer(json.loads((folder / "tokenizer.json").read_text()))


def safetensors(file: Path) -> dict[str, NDArray[Any]]:
    """Tensors by name. The format: eight bytes of length, a JSON header with places, then the bytes."""
    body = file.read_bytes()
    size = int.from_bytes(body[:8], "little")
    header = json.loads(body[8 : 8 + size])
    tensors = {}
    for name, about in header.items():
        if name != "__metadata__":
            begin, end = (8 + size + place for place in about["data_offsets"])
            if about["dtype"] not in _KINDS:
                raise ValueError(f"{name} is {about['dtype']}; expected {', '.join(_KINDS)}")
            tensors[name] = np.frombuffer(body[begin:end], _KINDS[about["dtype"]]).reshape(about["shape"])
    return tensors


def _words(file: Path) -> tuple[NDArray[Any], Split]:
    """A word and its numbers a line; a first line of two numbers is a heading."""
    vocabulary: dict[str, int] = {}
    rows: list[Sequence[float]] = []
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            word, *told = line.rstrip().split(" ")
            if (number == 1 and len(told) == 1) or not told:
                continue
            if rows and len(told) != len(rows[0]):
                raise ValueError(f"line {number} has {len(told)} numbers; expected {len(rows[0])}")
            vocabulary.setdefault(word, len(rows))
            rows.append([float(value) for value in told])
    return np.array(rows, np.float32), lambda text: [
        vocabulary[word] for word in _WORD.findall(text.lower()) if word in vocabulary
    ]


# -------------------------------------------------------------- tokenizers


def _tokenizer(document: Mapping[str, Any]) -> Split:
    model = document["model"]
    kind = model.get("type", "WordPiece")
    if kind == "WordPiece":
        normalizer = document.get("normalizer") or {}
        lower = bool(normalizer.get("lowercase", True))
        return _pieces(model["vocab"], model.get("continuing_subword_prefix", "##"), lower=lower)
    if kind == "Unigram":
        return _unigram(model["vocab"])
    raise ValueError(f"tokenizer is {kind}; expected WordPiece or Unigram")


def _pieces(vocabulary: Mapping[str, int], prefix: str, *, lower: bool) -> Split:
    """The longest known piece first (Schuster and Nakajima 2012); a word with an unknown piece is left out."""

    def of_word(word: str) -> list[int]:
        found, begin = [], 0
        while begin < len(word):
            ends = range(len(word), begin, -1)
            mark = prefix if begin else ""
            end = next((end for end in ends if mark + word[begin:end] in vocabulary), None)
            if end is None:
                return []
            found.append(vocabulary[mark + word[begin:end]])
            begin = end
        return found

    def split(text: str) -> list[int]:
        plain = _without_accents(text.lower()) if lower else text
        return [token for word in _WORD.findall(plain) if len(word) <= _LONGEST for token in of_word(word)]

    return split


def _unigram(vocabulary: Sequence[tuple[str, float]]) -> Split:
    """The likeliest pieces of each word (Kudo 2018), by Viterbi's algorithm; unknown characters are left out."""
    known = {piece: (at, score) for at, (piece, score) in enumerate(vocabulary)}
    longest = max((len(piece) for piece in known), default=1)

    def of_word(word: str) -> list[int]:
        best: list[tuple[float, list[int]]] = [(0.0, [])]
        for end in range(1, len(word) + 1):
            ways = [(best[end - 1][0] - 100.0, best[end - 1][1])]
            for begin in range(max(0, end - longest), end):
                at, score = known.get(word[begin:end], (-1, 0.0))
                if at >= 0:
                    ways.append((best[begin][0] + score, [*best[begin][1], at]))
            best.append(max(ways, key=lambda way: way[0]))
        return best[-1][1]

    def split(text: str) -> list[int]:
        plain = unicodedata.normalize("NFKC", text)
        return [token for word in plain.split() if len(word) <= _LONGEST for token in of_word(_BEGIN + word)]

    return split


def _without_accents(text: str) -> str:
    return "".join(one for one in unicodedata.normalize("NFD", text) if unicodedata.category(one) != "Mn")
