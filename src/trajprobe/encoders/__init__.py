"""Encoders: uint8 clips in, named feature maps out. One folder or module per family."""
