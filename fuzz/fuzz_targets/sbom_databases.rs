#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bootwright::sbom::parse_anything(data));
