"""One module per stage of the pipeline: reads its inputs, calls the pure functions, writes its outputs."""
