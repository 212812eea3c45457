"""Officials on Telegram. Empty until the procedures (SOP) run; see docs/architecture.md."""
