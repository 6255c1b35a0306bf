"""Stage `compare`: the gain of pretraining, its uncertainty, and a verdict."""
