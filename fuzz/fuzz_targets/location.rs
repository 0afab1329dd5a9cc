//! `lkdb_fuzz::location` for cargo-fuzz.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| lkdb_fuzz::location(data));
