//! The edges of what the format holds.
