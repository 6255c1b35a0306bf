"""Feature vectors: pooling, extraction, the cache of finished shards, and the controls."""
