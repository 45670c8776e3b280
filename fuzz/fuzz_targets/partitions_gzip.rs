#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bootwright_partitions::fuzzing::gzip_pieces(data));
