"""Stage `trajectories`: labelled paths are synthesized or read from a source's files, validated and written."""
