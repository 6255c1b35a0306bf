"""Stage `baseline`: the alternatives to a frozen pretrained encoder, on the same items and the same folds."""
