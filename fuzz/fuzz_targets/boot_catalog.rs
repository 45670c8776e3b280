#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bootwright_boot::fuzzing::boot_catalog(data));
