"""What every folder builds on and no result depends on: errors, files, paths, progress, parallel work, the schema."""
