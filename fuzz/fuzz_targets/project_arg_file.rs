#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bootwright::project::fuzzing::arg_file(data));
