#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bootwright::project::fuzzing::user_data_file(data));
