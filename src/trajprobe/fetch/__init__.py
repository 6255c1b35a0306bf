"""Stage `fetch`: an encoder's weights, obtained, verified and reduced to what the encoder needs."""
