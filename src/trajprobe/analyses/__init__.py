"""What the headline representation gives besides accuracy; one module for each analysis."""
