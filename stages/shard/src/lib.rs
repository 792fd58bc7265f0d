//! Sequences to Parquet shards, failures and stats, committed atomically and once.
