"""What people read on the mailbox's training page, and what the mailboxes' machines write."""

CITIZENS = (
    ("Siti Rahma", "siti.rahma@surel.example"),
    ("Budi Santoso", "budi.santoso@surel.example"),
    ("Made Ayu", "made.ayu@pos.example"),
    ("Pak RT 04", "rt04.contoh@pos.example"),
)
EXAMPLES = (
    (
        "KTP-el belum dicetak",
        "Selamat pagi Bapak/Ibu,\n\nKTP-el saya sudah tiga bulan belum dicetak. Mohon informasinya.\n\nTerima kasih.",
    ),
    (
        "Salah ketik pada akta kelahiran",
        "Nama ibu pada akta kelahiran anak saya salah ketik. Bagaimana cara membetulkannya?\n\nTerima kasih.",
    ),
    (
        "Diminta biaya di loket",
        "Saya diminta 150 ribu di loket supaya cepat. Bukannya gratis? Tolong nama saya dirahasiakan.",
    ),
)

# Switches of the page: key, name, what it does.
SWITCHES = (
    ("outage", "Server surel mati", "Surat kantor tidak dapat dikirim sampai sakelar ini dimatikan (421)."),
    ("login", "Kata sandi ditolak", "Server tidak menerima kantor masuk (535); kanal ini berhenti dan alarm menyala."),
    (
        "greylist",
        "Tunda kiriman berikutnya (451)",
        "Satu surat kantor berikutnya diminta dikirim ulang lima menit lagi.",
    ),
    ("refuse", "Tolak kiriman berikutnya (550)", "Satu surat kantor berikutnya ditolak: alamat tidak ada."),
    ("bounce", "Kembalikan kiriman berikutnya", "Satu surat kantor berikutnya diterima, lalu kembali tidak terkirim."),
    ("silent", "Diam sesudah menerima", "Satu surat kantor berikutnya sampai, tetapi server tidak menjawab kantor."),
    ("twice", "Kirim dua kali", "Setiap surat warga tiba dua kali; kantor harus mencatatnya sekali."),
    ("late", "Kirim terlambat", "Surat warga ditahan dan baru tiba ketika sakelar ini dimatikan."),
    (
        "away",
        "Balasan otomatis warga",
        "Kotak surat warga membalas setiap surat dengan mesin; kantor tidak boleh terpancing.",
    ),
)

QUOTE = "Pada tanggal {tanggal}, {pengirim} menulis:"
AWAY_SUBJECT = "Balasan otomatis"
AWAY = "Terima kasih atas surat Anda. Saya sedang tidak di tempat dan akan membalas minggu depan.\n"

BAD_ADDRESS = "Alamat surel warga tidak dapat dibaca, misalnya nama@surel.example."
EMPTY = "Tuliskan isi surat terlebih dahulu."
TOO_LONG = "Surat terlalu panjang; paling banyak 20.000 karakter."
TOO_LARGE = "Lampiran terlalu besar; paling besar 5 MB."
FOREIGN = "Permintaan ini tidak berasal dari halaman latihan. Silakan muat ulang halaman ini lalu coba kembali."
NO_ACCOUNT = "Tidak ada kanal latihan dengan nama itu."
NO_SUBJECT = "(tanpa perihal)"
