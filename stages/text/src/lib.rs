//! Captions to text ids.
