"""Encoders: uint8 clips in, named feature maps out."""
