#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| bootwright_oci::fuzzing::registry_replies(data));
