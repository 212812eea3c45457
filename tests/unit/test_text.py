import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import model, text

FAMILY = "👨\u200d👩\u200d👧\u200d👦"
THUMB = "👍🏽"
FLAG = "🇮🇩"
ACCENTED = "e\u0301"

anything = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from(["\ud83d", "\ude00", "\u202e", "\x00", "\r", "\n", " "])),
    max_size=120,
)
limits = st.builds(model.Limit, st.integers(min_value=4, max_value=60), st.sampled_from(["characters", "bytes"]))


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("apa adanya\n\tbaris kedua 🙏", "apa adanya\n\tbaris kedua 🙏"),
        ("a\x00b\x07c\x1bd\x7fe\x9ff", "abcdef"),
        ("a\r\nb\rc\u2028d\x0be\x85f", "a\nb\nc\nd\ne\nf"),
        ("\ud83d\ude00", "😀"),
        ("a\ud83db", "a\ufffdb"),
        ("Siti\u202eamhaR\u202c \u2066x\u2069", "SitiamhaR x"),
        (FAMILY, FAMILY),
    ],
)
def test_cleaning_keeps_what_is_read_and_removes_what_breaks(raw, cleaned):
    assert text.clean(raw) == cleaned


@given(anything)
def test_a_cleaned_text_can_be_stored_and_is_clean(raw):
    cleaned = text.clean(raw)
    cleaned.encode("utf-8")
    assert "\x00" not in cleaned
    assert text.clean(cleaned) == cleaned


@pytest.mark.parametrize(
    ("raw", "limit", "line"),
    [
        ("  satu\n\n dua ", 20, "satu dua"),
        ("satu dua tiga", 13, "satu dua tiga"),
        ("satu dua tiga", 12, "satu dua ti…"),
        ("satu dua tiga", 9, "satu dua…"),
        (f"ya {FAMILY}", 6, "ya…"),
        ("\n", 5, ""),
    ],
)
def test_a_text_on_one_line(raw, limit, line):
    assert text.one_line(raw, limit) == line


@given(anything, st.integers(min_value=1, max_value=40))
def test_one_line_is_one_line_within_its_limit(raw, limit):
    line = text.one_line(text.clean(raw), limit)
    assert len(line) <= limit
    assert "\n" not in line


@pytest.mark.parametrize(
    ("value", "limit", "expected"),
    [
        ("a" * 1600, model.Limit(1600), True),
        ("a" * 1601, model.Limit(1600), False),
        ("😀" * 800, model.Limit(1600), True),
        ("😀" * 800 + "a", model.Limit(1600), False),  # an emoji is two UTF-16 units
        ("é" * 800, model.Limit(1600, "bytes"), True),
        ("é" * 801, model.Limit(1600, "bytes"), False),
    ],
)
def test_a_text_is_measured_as_the_channel_counts(value, limit, expected):
    assert text.fits(value, limit) is expected


@pytest.mark.parametrize(
    ("value", "count", "pieces"),
    [
        ("pendek", 6, ["pendek"]),
        ("", 6, [""]),
        ("   ", 6, ["   "]),
        ("Satu.\n\nTiga empat lima enam", 20, ["Satu.\n\nTiga empat", "lima enam"]),
        ("Satu dua tiga.\n\nEmpat lima", 20, ["Satu dua tiga.", "Empat lima"]),
        ("Satu dua tiga\nempat lima enam", 20, ["Satu dua tiga", "empat lima enam"]),
        ("Satu dua tiga. Empat lima", 20, ["Satu dua tiga.", "Empat lima"]),
        ("satu dua tiga empat", 13, ["satu dua tiga", "empat"]),
        ("satudua tiga", 5, ["satud", "ua", "tiga"]),
        ("aaaa" + THUMB, 6, ["aaaa", THUMB]),
        ("aa" + FAMILY, 12, ["aa", FAMILY]),
        ("a" + FLAG + FLAG, 7, ["a" + FLAG, FLAG]),
        ("aaa" + ACCENTED, 4, ["aaa", ACCENTED]),
    ],
)
def test_a_text_is_cut_where_a_reader_would_cut_it(value, count, pieces):
    assert text.split(value, model.Limit(count)) == pieces


@given(anything, limits)
def test_every_piece_fits_and_only_white_space_is_lost(raw, limit):
    value = text.clean(raw)
    pieces = text.split(value, limit)
    if text.fits(value, limit):
        assert pieces == [value]
    else:
        assert "".join("".join(pieces).split()) == "".join(value.split())
    if value.strip():
        assert all(text.fits(piece, limit) and piece for piece in pieces)


@given(st.lists(st.sampled_from([FAMILY, THUMB, FLAG, ACCENTED, "a", " "]), max_size=40), st.integers(22, 60))
def test_what_is_seen_as_one_character_is_not_cut(clusters, count):
    value = "".join(clusters)
    pieces = text.split(value, model.Limit(count))
    left = [cluster for cluster in clusters if cluster != " "]
    for piece in pieces:
        rest = piece.replace(" ", "")
        while rest:
            assert rest.startswith(left[0])
            rest = rest.removeprefix(left.pop(0))
    assert not left


def test_a_limit_that_holds_no_character_is_refused():
    with pytest.raises(ValueError, match="limit"):
        text.split("abc", model.Limit(3, "bytes"))


@pytest.mark.parametrize("piece", ["\u0301", "🇮", "\n ", "a", "\u200d", " "])
def test_hostile_text_is_cut_all_the_same(piece):
    value = piece * (100_000 // len(piece))
    assert all(text.fits(part, model.Limit(1600)) for part in text.split(value, model.Limit(1600))) or not value.strip()
