"""What a set of trajectories is, and where one comes from: synthesis, files, public datasets."""
