"""Documents that leave as paper: receipts, forms, books."""
