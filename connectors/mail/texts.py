"""What stands around the text of a letter, in Indonesian; the text itself comes from the middle of the program."""

SUBJECT = "Pengaduan"  # of a letter that answers a mail without one
REPLY = "Re:"

NUMBER = "Nomor"
ENCLOSURES = "Lampiran"
FILES = "{jumlah} berkas"
SUBJECT_LABEL = "Perihal"

FOOTER_AUTOMATIC = "Surat elektronik ini dikirim secara otomatis."
FOOTER_REPLY = (
    "Untuk menambah keterangan, silakan membalas surat elektronik ini tanpa mengubah perihalnya, "
    "agar tetap tercatat pada pengaduan yang sama."
)
FOOTER_PRIVACY = (
    "Data pribadi Bapak/Ibu hanya digunakan untuk penanganan pengaduan ini sesuai Undang-Undang Nomor 27 Tahun 2022 "
    "tentang Pelindungan Data Pribadi."
)

UNREADABLE = (
    "{jumlah} surat di folder Maildir tidak dapat dibaca. Periksa izin berkasnya: Aduan harus dapat membaca dan "
    "memindahkannya."
)
