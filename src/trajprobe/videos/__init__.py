"""Ready-made clips in untrusted files: videos in a .zip, and arrays in an .npz or .npy."""
