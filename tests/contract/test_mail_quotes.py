"""What somebody wrote now, apart from quotes, letter heads and signatures: nothing is lost, his own words least."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mail import quotes

WORDS = "Saya sudah ke kantor, belum selesai."
LETTER = "Yth. Ibu,\nSilakan datang."

MARKED = [
    "Pada tanggal 3 Maret 2025 10.15, Dinas Dukcapil <a@kota-contoh.example> menulis:",
    "Pada Sen, 3 Mar 2025 pukul 10.15 Dinas Dukcapil <a@kota-contoh.example> menulis:",
    "Pada Sen, 3 Mar 2025 pukul 10.15 Dinas Dukcapil Kota Contoh <\na@kota-contoh.example> menulis:",
    "Pada Senin, 3 Maret 2025 10.15.22 WIB, Dinas Dukcapil <a@kota-contoh.example> menulis:",
    "Pada Isn, 3 Mac 2025 pada 10:15 PG, Dinas <a@kota-contoh.example> menulis:",
    "On Mon, Mar 3, 2025 at 10:15 AM Dinas Dukcapil <a@kota-contoh.example> wrote:",
    "On 3 Mar 2025, at 10.15, Dinas Dukcapil\n<a@kota-contoh.example> wrote:",
    "2025-03-03 10:15 GMT+07:00 Dinas Dukcapil <a@kota-contoh.example>:",
    "Dinas Dukcapil <a@kota-contoh.example> menulis:",
]
UNMARKED = [
    *MARKED,
    "-----Pesan Asli-----\nDari: Dinas",
    "-----Original Message-----\nFrom: Dinas",
    "----- Mesej Asal -----",
    "Dari: Dinas <a@kota-contoh.example>\nDikirim: Senin, 03 Maret 2025 10:15\nKepada: Siti\nPerihal: KTP",
    "________________________________\nDari: Dinas\nDikirim: Senin\nKepada: Siti\nSubjek: KTP",
    "*From:* Dinas\n*Sent:* Monday\n*To:* Siti\n*Subject:* KTP",
    "Daripada: Dinas\nTarikh: Isnin\nKepada: Siti",
    "Op ma 3 mrt 2025 10:15, Dinas <a@kota-contoh.example> schreef:",  # from here on the library's
    "Am 03.03.2025 um 10:15 schrieb Dinas <a@kota-contoh.example>:",
    "Le lun. 3 mars 2025 à 10:15, Dinas <a@kota-contoh.example> a écrit :",
    "Am 03.03.2025 um 10:15 schrieb Dinas\n<a@kota-contoh.example>:",
]


def marked(text):
    return "\n".join(f"> {line}" for line in text.split("\n"))


@pytest.mark.parametrize("head", MARKED)
@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_a_reply_above_a_marked_quote(head, gap):
    body = f"{WORDS}\n\n{head}{gap}{marked(LETTER)}\n"
    assert quotes.split(body, reply=False) == (WORDS, f"{head}{gap}{marked(LETTER)}")


@pytest.mark.parametrize("head", UNMARKED)
def test_a_reply_above_an_unmarked_quote(head):
    body = f"{WORDS}\n\n{head}\n\n{LETTER}"
    assert quotes.split(body, reply=True) == (WORDS, f"{head}\n\n{LETTER}")


@pytest.mark.parametrize("head", MARKED)
def test_a_reply_below_the_quote(head):
    text, quoted = quotes.split(f"{head}\n{marked(LETTER)}\n\n{WORDS}", reply=True)
    assert (text, quoted) == (WORDS, f"{head}\n{marked(LETTER)}")


def test_words_above_and_below_are_both_kept():
    text, _ = quotes.split(f"Jawaban saya di bawah.\n\n{MARKED[0]}\n{marked(LETTER)}\n\n{WORDS}", reply=True)
    assert text == f"Jawaban saya di bawah.\n\n{WORDS}"


@pytest.mark.parametrize("head", UNMARKED)
def test_a_quote_without_words_above_it_may_hold_them_below(head):
    body = f"{head}\n\n{LETTER}\n\n{WORDS}"
    text, _ = quotes.split(body, reply=True)
    assert WORDS in text


def test_a_quote_alone_says_nothing_new():
    body = f"{MARKED[0]}\n{marked(LETTER)}"
    assert quotes.split(body, reply=True) == ("", body)


@pytest.mark.parametrize(
    "body",
    [
        "Saya mau tanya.\n\nDari: Siti Rahma\nTanggal: 3 Maret 2025\nKepada: Kepala Dinas\nPerihal: KTP-el\n\nIsi.",
        "Syarat saya:\n> KK asli\n> surat pengantar",
        "Pada tanggal 3 Maret 2025 petugas menulis:\nberkas lengkap",
        "Kronologi 1:\nSaya datang pukul 10.15:\nditolak.",
        "Isi aduan.\n--\n" + "\n".join(f"Kejadian {each}" for each in range(30)),
        "Terima kasih & salam,\nSiti Rahma",
        "Thank you, but my card is not printed.",
        "- KK\n- Akta",
        "Dikirim dari kantor pos tiga bulan lalu, belum sampai.",
        "-- \nSiti Rahma",
        "",
    ],
)
def test_what_is_no_answer_stays_whole(body):
    assert quotes.split(body, reply=False) == (body, "")


@pytest.mark.parametrize(
    "signature",
    [
        "-- \nSiti Rahma\nKota Contoh",
        "--\nSiti Rahma",
        "Dikirim dari iPhone saya",
        "Dikirim dari Yahoo Mail di Android",
        "Dikirim dari ponsel cerdas Samsung Galaxy saya.",
        "Sent from my iPhone",
        "Get Outlook for Android",
        "Terkirim dari Outlook untuk iOS",
    ],
)
def test_a_signature_is_folded(signature):
    assert quotes.split(f"{WORDS}\n\n{signature}", reply=False) == (WORDS, signature)
    text, quoted = quotes.split(f"{WORDS}\n\n{signature}\n\n{MARKED[0]}\n{marked(LETTER)}", reply=True)
    assert (text, quoted) == (WORDS, f"{signature}\n\n{MARKED[0]}\n{marked(LETTER)}")


@pytest.mark.parametrize(
    "mark",
    [
        "---------- Forwarded message ---------",
        "-------- Pesan Terusan --------",
        "---------- Pesan yang diteruskan ----------",
        "Begin forwarded message:",
        "Mulai pesan yang diteruskan:",
        "Diteruskan:",
    ],
)
def test_a_forwarded_mail_is_what_he_wants_to_say(mark):
    body = f"Mohon dibantu.\n\n{mark}\nDari: Budi <budi@example.org>\nDikirim: Senin\nKepada: Siti\n\n{WORDS}"
    assert quotes.split(body, reply=False) == (body, "")
    assert quotes.split(body, reply=True) == (body, "")


def test_a_forwarded_mail_within_a_quote_is_a_quote():
    body = f"{WORDS}\n\n{MARKED[0]}\n{marked('---------- Forwarded message ---------')}"
    assert quotes.split(body, reply=True)[0] == WORDS


def test_a_head_is_no_quote_where_the_subject_says_forwarded():
    body = f"Tolong dibaca.\n\n{UNMARKED[12]}\n\n{WORDS}"
    assert quotes.split(body, reply=False, forward=True) == (body, "")


@pytest.mark.parametrize(
    ("subject", "reply", "forward"),
    [
        ("Re: KTP", True, False),
        ("RE[2]: KTP", True, False),
        ("Bls: KTP", True, False),
        ("Balas: KTP", True, False),
        ("Fwd: KTP", False, True),
        ("FW: KTP", False, True),
        ("Trs: KTP", False, True),
        ("Diteruskan: KTP", False, True),
        ("Re: Fwd: KTP", True, False),
        ("Rekaman e-KTP", False, False),
        ("Fw KTP", False, False),
    ],
)
def test_the_subject_tells_answers_and_forwarded_mails(subject, reply, forward):
    assert (quotes.is_reply(subject), quotes.is_forward(subject)) == (reply, forward)


LINE = st.one_of(
    st.sampled_from([*"\n".join([*UNMARKED, LETTER, WORDS]).split("\n"), "> kutipan", ">> dalam", "-- ", "", " ", ">"]),
    st.text(alphabet="ab >:-_<@10.\u00e9", max_size=40),
)


@given(st.lists(LINE, max_size=40), st.booleans(), st.booleans())
def test_every_line_is_in_one_of_the_two_and_in_order(lines, reply, forward):
    text, quoted = quotes.split("\n".join(lines), reply=reply, forward=forward)
    wanted = [line for line in lines if line.strip()]
    kept, folded = ([line for line in each.split("\n") if line.strip()] for each in (text, quoted))
    assert sorted(kept + folded) == sorted(wanted)
    for each in (kept, folded):
        remaining = iter(wanted)
        assert all(line in remaining for line in each)
    assert not re.search(r"\n\s*\n\s*\n", text)


@pytest.mark.parametrize("line", ["On ", "Pada 1 ", ">", "-- \n", "Dari: a\n", "<a@b" * 3, "menulis:\n", "a:1\n", " "])
def test_a_hostile_text_takes_no_longer_than_its_length(line):
    body = (line * 100_000)[:100_000]
    text, quoted = quotes.split(body, reply=True)
    assert len(text) + len(quoted) <= len(body)
