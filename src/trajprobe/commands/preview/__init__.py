"""`trajprobe preview`: what an encoder will be shown, and what the whole run will cost."""
