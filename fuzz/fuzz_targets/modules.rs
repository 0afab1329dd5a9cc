//! `lkdb_fuzz::modules` for cargo-fuzz.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lkdb_fuzz::modules(data));
