"""E-mail: an office's mailbox in, its mail server out."""
