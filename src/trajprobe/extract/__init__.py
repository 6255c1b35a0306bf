"""Stage `extract`: the frozen encoder over all clips, pretrained and at random initialisations."""
