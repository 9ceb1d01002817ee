"""Stock Faust with httpx: what most would write."""
