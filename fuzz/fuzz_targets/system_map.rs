//! `lkdb_fuzz::system_map`, for libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lkdb_fuzz::system_map(data));
