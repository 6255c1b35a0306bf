"""The probe: folds, the classifier, its scores."""
