"""Lines of a manifest rendered with no service at all: the child of `omni-jobs bulk run --local`."""
