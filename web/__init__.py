"""Pages, webhooks and live updates over aiohttp; translates and calls router."""
