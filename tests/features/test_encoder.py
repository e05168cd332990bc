"""Static text models of every layout that is read: small real ones, written as their makers write them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from shelfwise.domain import InvalidInput
from shelfwise.features import TextEncoder, unit

PIECES = ("[UNK]", "red", "green", "mug", "##s", "tea", "pot", "##pot", "cafe")
VECTORS = np.array(
    [[9, 9, 9], [1, 0, 0], [0.9, 0.1, 0], [0, 1, 0], [0, 0, 0.2], [0, 0, 1], [0, 0.5, 0.5], [0, 0.4, 0.4], [0, 1, 1]],
    np.float32,
)  # fmt: skip


def write_safetensors(file: Path, tensors: dict[str, np.ndarray]) -> None:
    kinds = {"float32": "F32", "float16": "F16", "int64": "I64"}
    header, body = {}, b""
    for name, tensor in tensors.items():
        places = [len(body), len(body) + tensor.nbytes]
        header[name] = {
            "dtype": kinds[str(tensor.dtype)],
            "shape": list(tensor.shape),
            "data_offsets": places,
        }
        body += tensor.tobytes()
    told = json.dumps({"__metadata__": {"format": "np"}, **header}).encode()
    file.write_bytes(len(told).to_bytes(8, "little") + told + body)


def model2vec(folder: Path, model: dict[str, object], **tensors: np.ndarray) -> TextEncoder:
    folder.mkdir()
    write_safetensors(folder / "model.safetensors", tensors)
    (folder / "tokenizer.json").write_text(json.dumps({"model": model, "normalizer": {"lowercase": True}}))
    return TextEncoder.open(folder)


def wordpiece(folder: Path, **more: np.ndarray) -> TextEncoder:
    vocabulary = {piece: at for at, piece in enumerate(PIECES)}
    given = {"embeddings": VECTORS, **more}
    return model2vec(folder, {"type": "WordPiece", "vocab": vocabulary, "unk_token": "[UNK]"}, **given)


def test_a_text_is_the_mean_of_its_longest_pieces_of_length_one(tmp_path: Path) -> None:
    made = wordpiece(tmp_path / "model").encode(["Red MUGS!", "teapot", "Café", "xyz", ""])
    assert made[0] == pytest.approx(unit(VECTORS[[1, 3, 4]].mean(axis=0, keepdims=True))[0])
    assert made[1] == pytest.approx(unit(VECTORS[[5, 7]].mean(axis=0, keepdims=True))[0])  # tea, ##pot
    assert made[2] == pytest.approx(unit(VECTORS[[8]])[0])  # accents go
    assert not made[3:].any()  # nothing known: no direction, not the vector of [UNK]


def test_weights_and_a_mapping_of_tokens_are_taken(tmp_path: Path) -> None:
    weights = np.linspace(0.1, 2.0, len(PIECES)).astype(np.float32)
    mapping = np.array([0, 1, 1, 3, 4, 5, 6, 7, 8], np.int64)  # green shares the row of red
    encoder = wordpiece(tmp_path / "model", weights=weights, mapping=mapping)
    expected = (VECTORS[1] * weights[2] + VECTORS[3] * weights[3]) / 2
    assert encoder.encode(["green mug"])[0] == pytest.approx(unit(expected[None])[0])


def test_half_precision_is_read(tmp_path: Path) -> None:
    encoder = wordpiece(tmp_path / "model", embeddings=VECTORS.astype(np.float16))
    assert encoder.encode(["red"])[0] == pytest.approx([1, 0, 0])


def test_unigram_pieces_are_the_likeliest(tmp_path: Path) -> None:
    vocabulary = [["<unk>", 0.0], ["\u2581tea", -2.0], ["pot", -3.0], ["\u2581te", -2.5], ["apot", -9.0]]
    vectors = np.eye(5, dtype=np.float32)
    encoder = model2vec(tmp_path / "model", {"type": "Unigram", "vocab": vocabulary}, embeddings=vectors)
    assert encoder.encode(["teapot"])[0] == pytest.approx(
        unit(vectors[[1, 2]].mean(axis=0, keepdims=True))[0]
    )


def test_arrays_with_a_vocabulary_and_word_vectors_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "embeddings.npy", VECTORS)
    (tmp_path / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    arrays = TextEncoder.open(tmp_path)
    glove = tmp_path / "glove"
    glove.mkdir()
    lines = [f"{word} {' '.join(map(str, row.tolist()))}" for word, row in zip(PIECES, VECTORS, strict=True)]
    (glove / "vectors.vec").write_text("9 3\n" + "\n".join(lines))
    words = TextEncoder.open(glove)
    assert words.width == arrays.width == 3
    assert words.encode(["red mug"]) == pytest.approx(arrays.encode(["red mug"]))
    assert words.encode(["purple mug"])[0] == pytest.approx([0, 1, 0])  # an unknown word is left out


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "expected model.safetensors, embeddings.npy, or one"),
        ({"a.vec": "red 1 2\nmug 1 2 3\n"}, "line 2 has 3 numbers; expected 2"),
        ({"a.vec": "red 1 nan\n"}, "expected finite numbers"),
        ({"a.vec": "red 1 one\n"}, "could not convert"),
        ({"model.safetensors": "torn"}, "cannot be read"),
    ],
)
def test_what_is_no_model_is_refused_by_its_folder(files: dict[str, str], said: str, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InvalidInput, match=said) as refused:
        TextEncoder.open(tmp_path)
    assert str(tmp_path) in str(refused.value)


def test_another_tokenizer_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="tokenizer is BPE; expected WordPiece or Unigram"):
        model2vec(tmp_path / "bpe", {"type": "BPE", "vocab": {}}, embeddings=VECTORS)
    with pytest.raises(InvalidInput, match="is no folder"):
        TextEncoder.open(tmp_path / "nowhere")
