"""Commands for the person at the keyboard, beside the stages that DVC runs."""
