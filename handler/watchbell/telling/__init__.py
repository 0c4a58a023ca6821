"""What others hear of a tick: the operator, a dead man's switch, the collector of metrics."""
