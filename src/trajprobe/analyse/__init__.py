"""Stage `analyse`: what the headline representation gives besides accuracy; one module per analysis."""
