//! Hops, batches, order and cancellation: how records move, whatever they are.
