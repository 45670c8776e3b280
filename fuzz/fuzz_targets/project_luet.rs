#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bootwright::project::luet::parse_anything(data));
