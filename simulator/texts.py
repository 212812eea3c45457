"""What people read on the training page, where it is not part of a template."""

CITIZENS = (
    ("Siti Rahma", "+6281200000001"),
    ("Budi Santoso", "+6281200000002"),
    ("Made Ayu", "+6281200000003"),
    ("Pak RT 04", "+6281200000004"),
)

EXAMPLES = (
    "Selamat pagi Bapak/Ibu. KTP-el saya sudah tiga bulan belum dicetak. Mohon informasinya.",
    "min ktp sy kpn jadi? udh 2 bln blm ada kabar",
    "Nama ibu pada akta kelahiran anak saya salah ketik. Bagaimana cara membetulkannya?",
    "nik sy tdk ketemu pas daftar bpjs, padahal ktp ada. tlg dibantu ya, bsk mau lahiran",
    "Saya diminta 150rb di loket supaya cepat. Bukannya gratis? Tolong nama saya dirahasiakan.",
    "haloo, kok blm dibalas ya min?",
)

# Switches of the page: key, name, what it does.
SWITCHES = (
    ("outage", "Penyedia mati", "Jawaban kantor tidak dapat dikirim sampai sakelar ini dimatikan."),
    ("refuse", "Tolak kiriman berikutnya (63016)", "Satu kiriman kantor berikutnya gagal: di luar jendela 24 jam."),
    ("twice", "Kirim dua kali", "Setiap pesan warga tiba dua kali; kantor harus mencatatnya sekali."),
    ("late", "Kirim terlambat", "Pesan warga ditahan dan baru tiba ketika sakelar ini dimatikan."),
    ("unannounced", "Webhook tidak sampai", "Pesan warga hanya ada di daftar penyedia; kantor harus menariknya ulang."),
    ("window", "Jendela 24 jam tertutup", "Teks bebas kantor lewat WhatsApp ditolak; hanya templat yang sampai."),
)
WHATSAPP_ONLY = frozenset({"refuse", "window"})

PLACE = "Kantor Kecamatan Contoh"

BAD_NUMBER = "Nomor harus berupa nomor ponsel Indonesia, misalnya 0812-0000-0005."
EMPTY = "Tuliskan pesan terlebih dahulu. Lewat WhatsApp, gambar atau lokasi saja juga dapat dikirim."
TOO_LONG = "Pesan terlalu panjang; paling banyak 1.600 karakter."
TOO_LARGE = "Gambar terlalu besar; paling besar 5 MB."
NOT_A_PICTURE = "Berkas itu bukan gambar JPEG, PNG, atau WebP."
FOREIGN = "Permintaan ini tidak berasal dari halaman latihan. Silakan muat ulang halaman ini lalu coba kembali."
NO_ACCOUNT = "Tidak ada kanal latihan dengan nama itu."
