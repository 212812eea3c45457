"""What the operator reads about the standing of a Meta account; each sentence ends with the remedy."""

_RENEW = "Buatlah token baru di Meta Business Suite, lalu perbarui pengaturan token akun ini."

EXPIRES = "Token Meta akun ini berakhir pada {date} (dalam {days} hari atau kurang). " + _RENEW
DATA_ACCESS_EXPIRES = (
    "Izin aplikasi membaca data lewat token ini berakhir pada {date} (dalam {days} hari atau kurang). "
    "Mintalah pengelola halaman masuk kembali melalui aplikasi, lalu perbarui pengaturan token akun ini."
)
EXPIRY_UNKNOWN = (
    "Masa berlaku token Instagram tidak dapat dibaca dari Meta; token ini berlaku 60 hari sejak dibuat. "
    "Isilah token_expires_on dengan tanggal berakhirnya agar Bapak/Ibu diingatkan sebelum token itu berakhir."
)
EXPIRED = "Tanggal token_expires_on akun ini sudah lewat ({date}). " + _RENEW
OTHER_APP = (
    "Token akun ini dibuat untuk aplikasi Meta yang lain, bukan untuk app_id di pengaturan. "
    "Buatlah token dengan aplikasi yang benar, atau perbaiki app_id."
)
MISSING_PERMISSIONS = (
    "Token akun ini tidak memiliki izin {names}. Berikan izin itu saat membuat token, lalu perbarui pengaturan token."
)
NOT_SUBSCRIBED = (
    "Aplikasi tidak lagi berlangganan kabar dari akun Meta ini, sehingga pesan baru tidak sampai. "
    "Pasanglah kembali langganan webhook di pengaturan aplikasi Meta."
)
MISSING_FIELDS = (
    "Langganan webhook akun Meta ini tidak memuat {names}. Tambahkanlah di pengaturan webhook aplikasi Meta."
)
SUBSCRIPTION_UNKNOWN = (
    "Langganan webhook akun Meta ini tidak dapat diperiksa karena izin ditolak. "
    "Berikan izin pages_manage_metadata saat membuat token, lalu perbarui pengaturan token."
)
