#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bootwright_boot::fuzzing::iso9660(data));
