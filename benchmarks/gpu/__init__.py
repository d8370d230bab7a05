"""Full-size architectures with random weights on a GPU: what sharing forwards is worth there."""
