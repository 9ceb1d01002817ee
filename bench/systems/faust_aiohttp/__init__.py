"""Stock Faust with aiohttp, which it brings along."""
