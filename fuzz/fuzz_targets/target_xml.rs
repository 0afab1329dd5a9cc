//! `lkdb_fuzz::target_xml`, for libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lkdb_fuzz::target_xml(data));
