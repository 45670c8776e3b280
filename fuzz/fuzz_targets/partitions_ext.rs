#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bootwright_partitions::fuzzing::ext_read(data));
