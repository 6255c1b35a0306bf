"""Files from addresses, the Hugging Face Hub and published packages: downloaded once, verified, cached, mirrored."""
