//! One URL to its bytes, safely and politely.
