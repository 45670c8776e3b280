//! Images read back by our own reader and by readers that we did not write.

mod boundaries;
mod errors;
mod foreign;
mod fuzz;
mod pictures;
mod roundtrip;
mod sink;
mod support;
