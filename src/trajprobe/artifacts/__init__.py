"""The files that cross stages: one module each, with both its writer and its reader."""
