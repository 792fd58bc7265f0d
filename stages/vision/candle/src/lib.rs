//! The dynamic visual tokenizer in candle, on the CPU.
