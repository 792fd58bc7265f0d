//! The servers and files that the black-box tests need.
