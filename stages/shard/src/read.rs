//! Shards read back.
