"""Stage `probe`: the same classifier on every arm, over the same folds."""
