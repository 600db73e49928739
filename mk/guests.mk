# Small guests of our own, for tests and benchmarks. (The initrd of the stock kernel is in initrd.mk.)
