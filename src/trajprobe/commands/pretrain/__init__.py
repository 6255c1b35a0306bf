"""`trajprobe pretrain`: train an encoder of the open_magvit2 family on unlabelled clips."""
