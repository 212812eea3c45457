"""Meta: messages and comments of Facebook and Instagram."""
