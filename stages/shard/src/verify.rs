//! Shards proven.
