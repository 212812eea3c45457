"""What people read on Meta's training page, where it is not part of a template."""

CITIZENS = ("Siti Rahma", "Budi Santoso", "Made Ayu", "Pak RT 04")

EXAMPLES = (
    "Selamat siang min, KTP-el saya sudah tiga bulan belum jadi. Mohon infonya.",
    "Antrean di loket 3 lama sekali, dari jam 8 belum dipanggil 😠",
    "kalau mau ubah KK karena pindah syaratnya apa saja ya?",
    "Petugas loket minta uang 150rb biar cepat. Apa benar begitu?",
)

# Switches of the page: key, name, what it does.
SWITCHES = (
    ("outage", "Meta mati", "Jawaban kantor tidak dapat dikirim sampai sakelar ini dimatikan."),
    ("token", "Token ditolak (190/463)", "Meta menolak semua permintaan kantor: tokennya sudah berakhir."),
    ("refuse", "Tolak kiriman berikutnya", "Satu kiriman kantor berikutnya gagal: di luar jendela 24 jam."),
    ("spam", "Blokir sementara (368)", "Satu kiriman kantor berikutnya ditahan Meta sebagai spam."),
    ("rate", "Batas panggilan hampir habis", "Aplikasi kantor harus melambat untuk semua akunnya."),
    ("twice", "Kirim dua kali", "Setiap kabar tiba dua kali; kantor harus mencatatnya sekali."),
    ("late", "Kirim terlambat", "Kabar ditahan, lalu tiba sekaligus dan terbalik ketika sakelar ini dimatikan."),
    ("unannounced", "Webhook tidak sampai", "Tulisan warga hanya ada di daftar Meta; kantor harus menariknya ulang."),
    ("unsubscribed", "Langganan terputus", "Meta menganggap aplikasi kantor tidak lagi berlangganan."),
    ("window", "Jendela 24 jam tertutup", "Pesan pribadi kantor ditolak, kecuali yang ditulis petugas dalam 7 hari."),
)
PRIVATE_ONLY = frozenset({"window"})

EMPTY = "Tuliskan pesan terlebih dahulu, atau lampirkan gambar."
EMPTY_COMMENT = "Tuliskan komentar terlebih dahulu."
TOO_LONG = "Tulisan terlalu panjang; paling banyak {limit} karakter."
NO_ACCOUNT = "Tidak ada akun Meta latihan dengan nama itu."

LIKE, UNLIKE, UNSEND, REMOVE = "Suka", "Batal suka", "Tarik", "Hapus"
UNSENT = "Pesan ditarik"
BY_COLLEAGUE = "ditulis rekan di kotak masuk Meta"
HIDDEN = "disembunyikan kantor"
ANSWERED_PRIVATELY = "kantor menjawab lewat pesan pribadi"
NO_ANSWER = "tanpa jawaban"
