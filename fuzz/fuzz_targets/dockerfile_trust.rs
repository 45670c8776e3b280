#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bootwright::dockerfile::fuzzing::trust(data));
