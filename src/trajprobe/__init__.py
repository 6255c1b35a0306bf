"""trajprobe: does a pretrained video encoder help on your motion?"""
