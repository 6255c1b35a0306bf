"""The typed schema of params.yaml and of the cards, and the one loader of both."""
