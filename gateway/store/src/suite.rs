//! The contract suite: the promises of the port, proved on any adapter.
