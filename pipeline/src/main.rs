//! The program `img2tokens`.

fn main() {}
