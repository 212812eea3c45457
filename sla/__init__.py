"""Rules of time and procedure; pure, no I/O, no clock."""
