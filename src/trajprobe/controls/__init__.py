"""Stage `controls`: features that need no encoder."""
