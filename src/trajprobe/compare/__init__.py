"""The comparison: statistics, verdict, summary."""
